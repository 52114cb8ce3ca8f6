# SPDX-License-Identifier: Apache-2.0
# Puts the page together in OUT: the files of this folder, uPlot, and the runbook that the view Alerts quotes. uPlot comes
# by the lock file, from node_modules here if somebody has installed it, else by `npm ci` into WORK, where it stays, so that
# a second build needs no network. Without npm, or without what it should fetch, OUT stays empty and the build goes on: then
# the dashboard has no page, and says so where it would be.
#
#   cmake -DOUT=... -DWORK=... [-DNPM=...] [-DRUNBOOK=...] -P assemble.cmake        (makes OUT, and OUT.stamp)

set(here ${CMAKE_CURRENT_LIST_DIR})
file(READ ${here}/package-lock.json lock)
string(SHA256 lock "${lock}")

# With npm, the next build tries again: it may have been the network.
function(give_up why)
    file(REMOVE_RECURSE ${OUT})
    file(MAKE_DIRECTORY ${OUT})
    file(REMOVE ${OUT}.stamp)
    if(NOT NPM)
        file(TOUCH ${OUT}.stamp)
    endif()
    message(WARNING "logctx-dashboard is built without its page: ${why}")
endfunction()

set(uplot ${here}/node_modules/uplot)
if(NOT EXISTS ${uplot}/dist/uPlot.esm.js)
    set(uplot ${WORK}/node_modules/uplot)
    set(installed "")
    if(EXISTS ${WORK}/installed)
        file(READ ${WORK}/installed installed)
    endif()
    if(NOT installed STREQUAL lock OR NOT EXISTS ${uplot}/dist/uPlot.esm.js)
        if(NOT NPM)
            give_up("npm is missing; Debian's packages are nodejs and npm.")
            return()
        endif()
        file(MAKE_DIRECTORY ${WORK})
        file(COPY ${here}/package.json ${here}/package-lock.json DESTINATION ${WORK})
        execute_process(COMMAND ${NPM} ci --prefer-offline --ignore-scripts --no-audit --no-fund --no-update-notifier
            WORKING_DIRECTORY ${WORK} RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said TIMEOUT 120)
        if(NOT result EQUAL 0 OR NOT EXISTS ${uplot}/dist/uPlot.esm.js)
            give_up("`npm ci` did not fetch uPlot; it said:\n${said}")
            return()
        endif()
        file(WRITE ${WORK}/installed ${lock})
    endif()
endif()

file(REMOVE_RECURSE ${OUT})
file(MAKE_DIRECTORY ${OUT})
file(GLOB files ${here}/*.html ${here}/*.js ${here}/*.css ${here}/*.svg)
file(COPY ${files} ${uplot}/dist/uPlot.esm.js ${uplot}/dist/uPlot.min.css DESTINATION ${OUT})
file(COPY_FILE ${uplot}/LICENSE ${OUT}/uPlot-licence.txt)
if(RUNBOOK AND EXISTS ${RUNBOOK})
    file(COPY_FILE ${RUNBOOK} ${OUT}/runbook.txt)
endif()
file(TOUCH ${OUT}.stamp)
