# SPDX-License-Identifier: Apache-2.0
"""The twin of conformance.scenarios: shows that the driver reports what it is there to report.

A driver that passed everything would pass the scenarios too. Here one expectation at a time is altered, and
each alteration has to be found; what is no difference must not be; and what cannot be run has to be said, not
passed.
Everything is written into a temporary folder. Usage: selftest.py DRIVER FILE.jsonl...
"""

import copy
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

DRIVER = ""
FILES = []

# A scenario of the driver's own, valid in every version: a nested context, an error, a result.
BASE = {
    "id": "selftest/base",
    "group": "selftest",
    "ops": [
        {"op": "new", "id": "a", "name": "A \"q\" \\ \u0001\u001f\u007f\u00fc\u2028\n", "note": "ignored"},
        {"op": "enter", "id": "a"},
        {"op": "on_thread", "label": "t1", "ops": [{"op": "set_current", "id": "a"}]},
        {"op": "set_current", "id": "sentinel"},
        {"op": "exit", "id": "a"},
        {"op": "usage", "id": "a"},
    ],
}


def canonical(value):
    """JSON as section 2 of the format wants it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def lines_of(text):
    """Names may hold any character, also those that str.splitlines() takes for the end of a line."""
    return text.removesuffix("\n").split("\n")


def run_command(*arguments):
    return subprocess.run([DRIVER, *arguments], capture_output=True, encoding="utf-8", timeout=60)


class Driver(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = pathlib.Path(folder.name) / "scenarios.jsonl"
        self.base = copy.deepcopy(BASE)
        self.base["expect"] = json.loads(self.run_driver([BASE], "--trace").stdout)["expect"]

    def run_driver(self, scenarios, *options):
        lines = [line if isinstance(line, str) else canonical(line) for line in scenarios]
        self.file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return run_command(*options, str(self.file))

    def counts(self, scenarios, *options):
        """The last line's numbers, and the whole; the exit status has to agree with them."""
        done = self.run_driver(scenarios, *options)
        words = lines_of(done.stdout)[-1].replace(",", "").split()
        self.assertEqual(words[1::2], ["passed", "failed", "skipped"])
        passed, failed, skipped = (int(word) for word in words[0::2])
        self.assertEqual(done.returncode, 1 if failed else 0, done.stderr)
        return (passed, failed, skipped), done

    def assert_found(self, altered, record):
        """The alteration is reported, with its id and its place; the scenario beside it still passes."""
        numbers, done = self.counts([altered, self.base])
        self.assertEqual(numbers, (1, 1, 0))
        self.assertEqual(lines_of(done.stdout)[0], f"selftest/base: record {record} differs")
        return done.stdout

    def test_unaltered_passes(self):
        self.assertEqual(self.counts([self.base])[0], (1, 0, 0))

    def test_trace_says_what_happened(self):
        name = BASE["ops"][0]["name"]
        different = [{"kind": "started_on_different_thread",
                      "message": f"Started logcontext {name} on different thread", "in": name}]
        lost = [{"kind": "context_lost",
                 "message": f"Expected logging context {name} was lost", "in": "sentinel"}]
        nothing = {"utime": 0, "stime": 0, "txn_count": 0, "txn_ms": 0, "sched_ms": 0, "evt": 0}
        self.assertEqual(self.base["expect"], [
            {"at": "0", "cur": "sentinel"},
            {"at": "1", "cur": name},
            {"at": "2.ops", "cur": "sentinel"},
            {"at": "2.ops.0", "cur": name, "ev": different, "r": {"prev": "sentinel"}},
            {"at": "2", "cur": name},
            {"at": "3", "cur": "sentinel", "r": {"prev": name}},
            {"at": "4", "cur": "sentinel", "ev": lost},
            {"at": "5", "cur": "sentinel", "r": nothing},
        ])

    def test_altered_name_is_found(self):
        altered = copy.deepcopy(self.base)
        altered["expect"][1]["cur"] = "B"
        output = self.assert_found(altered, 1)
        self.assertIn("  expected: " + canonical(altered["expect"][1]), output)
        self.assertIn("  got     : " + canonical(self.base["expect"][1]), output)

    def test_altered_event_is_found(self):
        altered = copy.deepcopy(self.base)
        altered["expect"][6]["ev"][0]["message"] += "."
        self.assert_found(altered, 6)

    def test_missing_event_is_found(self):
        altered = copy.deepcopy(self.base)
        del altered["expect"][6]["ev"]
        self.assert_found(altered, 6)

    def test_altered_result_is_found(self):
        altered = copy.deepcopy(self.base)
        altered["expect"][7]["r"]["utime"] = 1
        self.assert_found(altered, 7)

    def test_altered_path_is_found(self):
        altered = copy.deepcopy(self.base)
        altered["expect"][3]["at"] = "2.ops.1"
        self.assert_found(altered, 3)

    def test_record_too_many_or_too_few_is_found(self):
        longer = copy.deepcopy(self.base)
        longer["expect"].append({"at": "6", "cur": "sentinel"})
        self.assertIn("got     : (no record", self.assert_found(longer, 8))
        shorter = copy.deepcopy(self.base)
        shorter["expect"].pop()
        self.assertIn("expected: (no record", self.assert_found(shorter, 7))

    def test_order_of_keys_is_no_difference(self):
        altered = copy.deepcopy(self.base)
        altered["expect"] = [dict(reversed(record.items())) for record in altered["expect"]]
        self.assertEqual(self.counts([altered])[0], (1, 0, 0))

    def test_nothing_is_left_for_the_next_scenario(self):
        untidy = {"id": "selftest/untidy", "group": "selftest", "ops": [
            {"op": "no_rusage"},
            {"op": "cpu", "user_ms": 7, "sys_ms": 8},
            {"op": "cpu_tick", "user_ms": 1, "sys_ms": 1},
            {"op": "new", "id": "a", "name": "left"},
            {"op": "preserve_enter", "h": "h", "id": "a"},
            {"op": "on_thread", "label": "t1", "ops": [
                {"op": "new", "id": "b", "name": "left on a thread"},
                {"op": "preserve_enter", "h": "i", "id": "b"}]},
        ]}
        done = self.run_driver([untidy, BASE, untidy, BASE], "--trace")
        traces = [json.loads(line) for line in lines_of(done.stdout)]
        self.assertEqual(traces[0], traces[2])
        self.assertEqual([traces[1]["expect"], traces[3]["expect"]], [self.base["expect"]] * 2)

    def test_clock_moves_when_told(self):
        timed = {"id": "selftest/clock", "group": "selftest", "ops": [
            {"op": "new", "id": "a", "name": "A"},
            {"op": "set_current", "id": "a"},
            {"op": "cpu", "user_ms": 5, "sys_ms": 3},
            {"op": "set_current", "id": "sentinel"},
            {"op": "usage", "id": "a"},
        ]}
        trace = json.loads(self.run_driver([timed], "--trace").stdout)["expect"]
        self.assertEqual((trace[4]["r"]["utime"], trace[4]["r"]["stime"]), (5, 3))

    def test_what_is_wrong_in_a_callback_is_found(self):
        deep = {"id": "selftest/deep", "group": "selftest", "expect": [], "ops": [
            {"op": "d_new", "d": "x"},
            {"op": "d_add", "d": "x", "both": [{"op": "enter", "id": "nobody"}]},
            {"op": "d_callback", "d": "x"}]}
        numbers, done = self.counts([deep, self.base])
        self.assertEqual(numbers, (1, 1, 0))
        self.assertIn('selftest/deep: op 1.both.0: there is no context "nobody" now', done.stdout)

    def test_what_is_not_valid_fails(self):
        cases = {
            "there is no context \"b\"": {"op": "enter", "id": "b"},
            "a context \"a\" already": {"op": "new", "id": "a", "name": "again"},
            "no handle \"h\"": {"op": "preserve_exit", "h": "h"},
            "below 0": {"op": "cpu", "user_ms": -1, "sys_ms": 0},
            "first op only": {"op": "no_rusage"},
            "\"ms\", an integer": {"op": "db_txn", "ms": "1"},
        }
        for sentence, op in cases.items():
            with self.subTest(sentence):
                invalid = copy.deepcopy(self.base)
                invalid["ops"].append(op)
                numbers, done = self.counts([invalid, self.base])
                self.assertEqual(numbers, (1, 1, 0))
                self.assertIn(sentence, done.stdout)
                self.assertIn("op 6: ", done.stdout)

    def test_what_is_no_scenario_fails_with_its_line(self):
        unknown = copy.deepcopy(self.base)
        unknown["ops"].append({"op": "no_such_op"})
        for line in ("{", "[]", "", "{\"id\":1}", unknown):
            with self.subTest(line):
                numbers, done = self.counts([self.base, line])
                self.assertEqual(numbers, (1, 1, 0))
                self.assertIn("scenarios.jsonl:2: ", done.stderr)

    def test_selection(self):
        other = dict(self.base, id="selftest/other", group="others")
        self.assertEqual(self.counts([self.base, other], "--id", "selftest/other")[0], (1, 0, 0))
        self.assertEqual(self.counts([self.base, other, other], "--only-group", "others")[0], (2, 0, 0))
        self.assertEqual(self.run_driver([self.base], "--id", "nothing").returncode, 2)

    def test_trace_is_the_recorded_form_byte_for_byte(self):
        for file in FILES:
            recorded = {}
            for line in lines_of(pathlib.Path(file).read_text(encoding="utf-8")):
                scenario = json.loads(line)
                recorded[scenario["id"]] = canonical({"id": scenario["id"], "expect": scenario["expect"]})
            done = run_command("--trace", file)
            self.assertEqual(done.returncode, 0, done.stderr)
            lines = lines_of(done.stdout)
            self.assertGreater(len(lines), 0)
            different = [line for line in lines if recorded[json.loads(line)["id"]] != line]
            self.assertEqual(different, [])


if __name__ == "__main__":
    DRIVER, *FILES = sys.argv[1:]
    unittest.main(argv=sys.argv[:1])
