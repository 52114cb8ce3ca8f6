#!/usr/bin/env python3
# The static probes, as gdb meets them: which fire, how often, and with which arguments.
# SPDX-License-Identifier: Apache-2.0
"""usage: probes.py PROGRAM"""

import re
import shutil
import subprocess
import sys
import tempfile

COMMANDS = r"""
set pagination off
set breakpoint pending on
set print address off
set debuginfod enabled off
break main
run %s
delete 1
break -probe-stap logctx:switch
commands
silent
printf "switch %%d %%d %%s\n", $_probe_arg0 == $_probe_arg1, ((int *) $_probe_arg2)[2] > 0, (char *) $_probe_arg3
continue
end
break -probe-stap logctx:error
commands
silent
printf "error %%s %%s %%d\n", (char *) $_probe_arg0, (char *) $_probe_arg2, $_probe_arg1 != 0
continue
end
break -probe-stap logctx:finish
commands
silent
printf "finish %%s %%d %%d\n", (char *) $_probe_arg1, (long) $_probe_arg2 > 0, (long) $_probe_arg3 >= 0
continue
end
continue
"""

# The program enters and exits GET-1, loses GET-2 to the sentinel, and exits it there.
EXPECTED = ["switch 0 1 GET-1", "finish GET-1 1 1", "switch 0 1 sentinel", "switch 0 1 GET-2", "switch 0 1 sentinel",
            "error context_lost GET-2 1", "finish GET-2 1 1"]


def hits(program, argument):
    with tempfile.NamedTemporaryFile("w", suffix=".gdb") as commands:
        commands.write(COMMANDS.replace("%s\ndelete", argument + "\ndelete").replace("%%", "%"))
        commands.flush()
        run = subprocess.run(["gdb", "-nx", "-batch", "-x", commands.name, program], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, check=False, timeout=120)
    found = [line for line in run.stdout.splitlines() if re.match(r"(switch|error|finish) ", line)]
    return found, run.stdout + run.stderr


def main():
    if not shutil.which("gdb"):
        print("gdb is missing (Debian: apt-get install gdb).")
        return 77
    found, output = hits(sys.argv[1], "work")
    none, _ = hits(sys.argv[1], "rest")
    if none:
        print("Probes fired in a run that does nothing:", none)
        return 1
    if sorted(found) != sorted(EXPECTED):
        print(output, "expected", *EXPECTED, "got", *found, sep="\n")
        return 1
    print("%d hits, as expected; none in a run that does nothing" % len(found))
    return 0


sys.exit(main())
