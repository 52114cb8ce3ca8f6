# SPDX-License-Identifier: Apache-2.0
# dashboard_page(TARGET FOLDER [DEPENDS file ...]): compiles the files below FOLDER into TARGET, as page.h has them. What is in
# the folder is looked at when the program is built, so it may be made by then; DEPENDS names what it is made of. Without an
# index.html in it there is no page.
#
# As a script: cmake -DFOLDER=... -DOUT=... -P page.cmake writes the C file.

if(NOT CMAKE_SCRIPT_MODE_FILE)
    function(dashboard_page target folder)
        cmake_parse_arguments(PARSE_ARGV 2 page "" "" "DEPENDS")
        set(out ${CMAKE_CURRENT_BINARY_DIR}/page_assets.c)
        add_custom_command(OUTPUT ${out}
            COMMAND ${CMAKE_COMMAND} -DFOLDER=${folder} -DOUT=${out} -P ${CMAKE_CURRENT_FUNCTION_LIST_FILE}
            DEPENDS ${CMAKE_CURRENT_FUNCTION_LIST_FILE} ${page_DEPENDS}
            COMMENT "Compiling the dashboard's page in" VERBATIM)
        target_sources(${target} PRIVATE ${out})
    endfunction()
    return()
endif()

cmake_minimum_required(VERSION 3.25)
set(types html=text/html js=text/javascript mjs=text/javascript css=text/css txt=text/plain svg=image/svg+xml
    png=image/png ico=image/x-icon json=application/json map=application/json woff2=font/woff2)

file(GLOB_RECURSE names RELATIVE ${FOLDER} ${FOLDER}/*)
list(SORT names COMPARE STRING)
if(NOT "index.html" IN_LIST names)
    set(names)
endif()

set(arrays "")
set(rows "")
set(count 0)
foreach(name IN LISTS names)
    string(REGEX REPLACE "^.*\\." "" extension "${name}")
    set(type ${types})
    list(FILTER type INCLUDE REGEX "^${extension}=")
    string(REGEX REPLACE "^.*=" "" type "${type}")
    if(type MATCHES "^text/")
        string(APPEND type "; charset=utf-8")
    endif()
    # What has no type here is no part of the page.
    if(type STREQUAL "" OR name MATCHES "(^|/)(node_modules|package(-lock)?\\.json)(/|$)" OR NOT name MATCHES "^[A-Za-z0-9._/-]+$")
        continue()
    endif()
    file(READ ${FOLDER}/${name} hex HEX)
    file(SHA256 ${FOLDER}/${name} sum)
    string(SUBSTRING ${sum} 0 20 sum)
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    string(APPEND arrays "static const unsigned char asset_${count}[] = {\n${hex}0};\n")
    string(APPEND rows "    {\"${name}\", \"${type}\", \"\\\"${sum}\\\"\", asset_${count}, sizeof asset_${count} - 1},\n")
    math(EXPR count "${count} + 1")
endforeach()
if(count EQUAL 0)
    set(rows "    {0},\n")
endif()
file(WRITE ${OUT} "// Made by page.cmake.\n#include \"page.h\"\n\n${arrays}
const struct asset page_assets[] = {\n${rows}};\nconst size_t page_asset_count = ${count};\n")
