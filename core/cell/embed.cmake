# embed.cmake: writes OUTPUT, a C file with the text of every .cell file in the folder CELLS.
# core/cell/builtin.h declares what is in it.
file(GLOB cells LIST_DIRECTORIES false ${CELLS}/*.cell) # in alphabetical order
set(texts "")
set(entries "")
set(i 0)
foreach(cell ${cells})
    get_filename_component(name ${cell} NAME_WE)
    file(READ ${cell} bytes HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
    string(APPEND texts "static const unsigned char text${i}[] = {${bytes}0};\n")
    string(APPEND entries "    {\"${name}\", (const char *)text${i}},\n")
    math(EXPR i "${i} + 1")
endforeach()
file(WRITE ${OUTPUT} "/* Made by core/cell/embed.cmake from core/cell/cells. */\n"
    "#include \"cell/builtin.h\"\n\n#include <stddef.h>\n\n"
    "${texts}\nconst Builtin builtin_cells[] = {\n${entries}    {NULL, NULL},\n};\n")
