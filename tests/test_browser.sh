#!/bin/bash
# test_browser.sh BUILD [PAGE]: a real browser shows the page of a report (else PAGE): its console
# is silent, every figure has a size and is drawn, and nothing is wider than a phone's screen but
# what scrolls in a box of its own.
set -euo pipefail
export LC_ALL=C
build=$(realpath "$1")
for browser in chromium chromium-browser google-chrome ''; do
    if command -v "$browser" >/dev/null; then break; fi
done
[[ $browser ]] || { echo "no Chromium here"; exit 77; }
command -v gnuplot >/dev/null || { echo "no gnuplot here"; exit 77; }
to=$(mktemp -d)
trap 'rm -r "$to"' EXIT
fail() {
    echo "test_browser: $*" >&2
    exit 1
}

# A page of both kinds of experiments: drawn, with several lengths, cells and rates; and of a text.
page=${2:+$(realpath "$2")}
if [[ ! $page ]]; then
    for _ in {1..300}; do echo "the cat sat on the mat, and the dog sat on the log."; done >"$to/text"
    "$build/weft" run adding --cell rnn,lstm,gru,slstm,mlstm,mingru,lstm:forget=0,lstm_chrono:T=12 \
        --length 5,8,12 --seed 0..1 --rates 1e-2,3e-3 --hidden 8 --steps 60 --every 20 --out "$to/rows" >/dev/null
    "$build/weft" run text --file "$to/text" --hidden 8 --batch 4 --steps 20 --every 9 --out "$to/rows" >/dev/null
    "$build/weft" report --out "$to/rows" >/dev/null
    page=$to/rows/index.html
fi

# browse PAGE OPTION...: its output is that of the option, what it says goes to a file.
sandbox=()
[[ $(id -u) != 0 ]] || sandbox=(--no-sandbox)
browse() {
    local page=$1
    shift
    timeout 120 "$browser" --headless --disable-gpu --hide-scrollbars --user-data-dir="$to/profile" \
        "${sandbox[@]}" --window-size=1400,1000 --virtual-time-budget=10000 --enable-logging=stderr \
        "$@" "file://$page" 2>"$to/said"
}

# A copy of the page that opens all that is folded, measures itself and writes what it found.
cat >"$to/measure.html" <<'END'
<script>
addEventListener("load", () => {
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    const wrong = [], width = document.documentElement.clientWidth;
    const figures = document.querySelectorAll("figure");
    for (const figure of figures) {
        const svg = figure.querySelector("svg"), box = svg && svg.getBoundingClientRect();
        if (!svg || box.width < 200 || box.height < 100) wrong.push(figure.id + " has no size");
        else if (box.left < 0 || box.right > width) wrong.push(figure.id + " is cut off");
        else if (svg.querySelectorAll("path, use, polygon").length < 5) wrong.push(figure.id + " is empty");
        for (const use of svg ? svg.querySelectorAll("use") : [])
            if (!document.querySelector(use.getAttribute("xlink:href"))) wrong.push(figure.id + " lacks a mark");
    }
    if (document.documentElement.scrollWidth > width)
        wrong.push("the page is " + document.documentElement.scrollWidth + " wide");
    for (const needs of document.querySelectorAll("[src], link")) wrong.push("it needs " + needs.outerHTML);
    for (const a of document.querySelectorAll("a"))
        if (!document.querySelector(a.getAttribute("href"))) wrong.push(a.href + " leads nowhere");
    parent.postMessage("width " + width + ", figures " + figures.length + ": " + (wrong.join("; ") || "good"), "*");
});
</script>
END
sed "/<\/body>/{
r $to/measure.html
}" "$page" >"$to/measured.html"

# frame WIDTH PAGE: a page that shows it in a window of that width (a browser's own has a least one), and
# what it measured.
frame() {
    echo '<!DOCTYPE html><title>frame</title><pre id="measured"></pre>'
    echo '<script>addEventListener("message", e => document.querySelector("pre").textContent = e.data)</script>'
    echo "<iframe src=\"$2.html\" width=\"$1\" height=\"900\" style=\"border:0\"></iframe>"
}

figures=$(find "$(dirname "$page")" -maxdepth 1 -name '*.svg' | wc -l) # which are beside the page
[[ $figures -ge 2 ]] || fail "$figures figures beside $page"
for width in 390 1200; do
    frame $width measured >"$to/frame.html"
    found=$(browse "$to/frame.html" --dump-dom | sed -n 's/.*<pre id="measured">\(.*\)<\/pre>.*/\1/p')
    console=$(grep CONSOLE "$to/said" || true)
    [[ ! $console ]] || fail "the console says: $console"
    [[ $found == "width $width, figures $figures: good" ]] ||
        fail "at $width pixels: ${found:-nothing; $(tail -n 3 "$to/said")}"
done

# The screen of a phone is not empty.
echo '<!DOCTYPE html><title>empty</title>' >"$to/empty.html"
for name in empty measured; do
    frame 390 $name >"$to/frame.html"
    browse "$to/frame.html" --screenshot="$to/$name.png"
done
[[ $(stat -c %s "$to/measured.png") -gt $((4 * $(stat -c %s "$to/empty.png"))) ]] || fail "the screen is empty"
browse "$page" --print-to-pdf="$to/page.pdf"
[[ $(head -c 5 "$to/page.pdf") == %PDF- ]] || fail "it cannot be printed"
echo "$figures figures are shown"
