# SPDX-License-Identifier: Apache-2.0
"""What the tests of logctx-top share: the program that is looked at, and how logctx-top is run."""

import json
import os
import subprocess
import sys

UTF8 = {"LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}


class Subject:
    """top_subject, after it has said what it made."""

    def __init__(self, program, **environment):
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{program} ended with {self.process.wait()} before it said anything")
        said = json.loads(line)
        self.pid, self.contexts = said["pid"], said["contexts"]

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0, self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


def run(top, *arguments, status=0, **environment):
    """Standard output if the status is 0, else standard error: one sentence for a person."""
    done = subprocess.run(
        [top, *map(str, arguments)], capture_output=True, timeout=60, check=False, env={**os.environ, **UTF8, **environment}
    )
    assert done.returncode == status, (arguments, done.returncode, done.stdout[:300], done.stderr)
    if status == 0:
        assert not done.stderr, done.stderr
        return done.stdout.decode()
    said = done.stderr.decode()
    assert not done.stdout and said.startswith("logctx-top: ") and said.endswith(".\n") and said.count("\n") == 1, said
    return said


def look(top, *arguments):
    return json.loads(run(top, "--json", *arguments))
