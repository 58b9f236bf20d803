# typical.cmake: writes OUTPUT, a C file with rates_typical, from the file RATES, whose names
# become those of fields: map/tanh is .map[MAP_tanh], product/m:4 is .product[PRODUCT_4].
file(STRINGS ${RATES} lines REGEX "^[a-z]")
set(fields "")
foreach(line ${lines})
    string(REGEX REPLACE "^([^ ]+) +([^ ]+).*" ".\\1 = \\2" field "${line}")
    string(REGEX REPLACE "^.map/([a-z0-9_]+)" ".map[MAP_\\1]" field "${field}")
    string(REGEX REPLACE "^.product/m:([0-9]+)" ".product[PRODUCT_\\1]" field "${field}")
    string(APPEND fields "    ${field},\n")
endforeach()
file(WRITE ${OUTPUT} "/* Made by core/typical.cmake from bench/machines/zen3.rates. */\n"
    "#include \"rates.h\"\n\nconst Rates rates_typical = {\n${fields}};\n")
