#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The reports, read by their own readers; diff and merge."""
import subprocess
import xml.etree.ElementTree

import jsonschema

from driver import *

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


class Reports(Case):
    def test_json_is_as_the_schema_says(self):
        with open(os.path.join(ROOT, "docs", "report.schema.json")) as file:
            schema = json.load(file)
        self.report("--max-heap=100KiB", "--", program("suite"), status=LIMIT)
        jsonschema.validate(json.loads(self.read("report.json")), schema)
        env = {"TETHER_OFF": "1"}
        self.report("--", program("suite"), status=BLIND, env=env)
        jsonschema.validate(json.loads(self.read("report.json")), schema)

    def test_to_standard_output(self):
        done = self.tether("run", "-q", "--json=-", "--", program("process"))
        self.assertEqual(json.loads(done.stdout)["tests"][0]["test"], "runner_process")

    def test_junit(self):
        done = self.tether(
            "run", "--junit=r.xml", "--max-heap=100KiB", "--", program("suite")
        )
        self.assertEnds(done, LIMIT)
        suite = xml.etree.ElementTree.fromstring(self.read("r.xml")).find("testsuite")
        self.assertEqual(suite.get("tests"), "6")
        self.assertEqual(suite.get("failures"), "1")
        case = suite.find("testcase[@name='takes_a_lot']")
        self.assertEqual(case.get("classname"), "cache")
        self.assertIsNotNone(case.find("failure"))
        peak = case.find("properties/property[@name='tether.peak_bytes']")
        self.assertEqual(peak.get("value"), str(1 << 20))

    def test_markdown(self):
        self.tether("run", "--markdown=r.md", "--max-heap=100KiB", "--", program("suite"))
        said = self.read("r.md")
        self.assertIn("### Tether: 6 tests, 1 over a limit or leaking", said)
        self.assertIn("| cache::takes\\_a\\_lot | 1.0 MiB |", said)

    def test_annotations(self):
        done = self.tether(
            "run", "--annotate=github", "--max-heap=100KiB", "--", program("suite")
        )
        self.assertIn("::error title=cache::takes_a_lot::a limit broke", done.stdout)

    def test_tether_ini_asks_for_them(self):
        self.write("tether.ini", "[report]\njson = r.json\nmarkdown = r.md\n")
        self.tether("run", "--", program("suite"))
        self.assertEqual(len(json.loads(self.read("r.json"))["tests"]), 6)
        self.assertIn("###", self.read("r.md"))


class Profiles(Case):
    """Read by pprof itself."""

    def profile(self, name, *command):
        done = self.tether("run", "--pprof=" + name, "--", *command)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.listdir(self.scratch), [])

    def setUp(self):
        super().setUp()
        self.scratch = os.path.join(self.folder, "scratch")
        os.mkdir(self.scratch)

    def environment(self, env):
        return {**super().environment(env), "TMPDIR": self.scratch}

    def top(self, *arguments):
        """pprof's table: flat and cumulative by function."""
        done = subprocess.run(
            ["go", "tool", "pprof", "-top", "-unit=B", "-nodefraction=0", *arguments],
            cwd=self.folder, capture_output=True, text=True,
            env={**os.environ, "HOME": self.folder},
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line.split() for line in done.stdout.splitlines() if "%" in line]
        return {row[5]: (row[0], row[3]) for row in rows if len(row) == 6}

    def test_at_the_peak(self):
        self.profile("p.pb.gz", program("profile"))
        table = self.top("p.pb.gz")
        self.assertEqual(table["leaf"], ("10000B", "10000B"))
        self.assertEqual(table["middle"], ("0", "10000B"))
        self.assertEqual(table["main"], ("0", "10000B"))
        self.assertNotIn("churn", table)

    def test_all_that_was_allocated(self):
        self.profile("p.pb.gz", program("profile"))
        table = self.top("-sample_index=alloc_space", "p.pb.gz")
        self.assertEqual(table["leaf"], ("15024B", "15024B"))
        self.assertEqual(table["churn"], ("0", "5000B"))
        table = self.top("-sample_index=alloc_objects", "p.pb.gz")
        self.assertEqual(table["leaf"], ("61B", "61B"))

    def test_what_is_left(self):
        self.profile("p.pb.gz", program("profile"))
        table = self.top("-sample_index=left_space", "p.pb.gz")
        self.assertEqual(table["leaf"], ("4024B", "4024B"))
        self.assertEqual(table["middle"], ("0", "4000B"))

    def test_before_and_after(self):
        self.profile("a.pb.gz", program("profile"))
        self.profile("b.pb.gz", program("profile"), "1500")
        table = self.top("-diff_base=a.pb.gz", "b.pb.gz")
        self.assertEqual(table["leaf"], ("5000B", "5000B"))

    def test_by_test(self):
        self.profile("p.pb.gz", program("suite"))
        done = subprocess.run(
            ["go", "tool", "pprof", "-tags", "p.pb.gz"], cwd=self.folder,
            capture_output=True, text=True, env={**os.environ, "HOME": self.folder},
        )
        self.assertIn("cache::takes_a_lot", done.stdout)
        table = self.top("-tagfocus=test=pool::leaks", "p.pb.gz")
        self.assertEqual(table["pool_leaks_impl"], ("1234B", "1234B"))

    def test_with_a_limit_by_function(self):
        """The watch of allocations serves both."""
        done = self.tether(
            "run", "--max-site=5KiB", "--pprof=p.pb.gz", "--", program("profile")
        )
        self.assertEnds(done, LIMIT, "max_site broken")
        self.assertEqual(self.top("p.pb.gz")["leaf"], ("10000B", "10000B"))

    def test_where_it_cannot_be_written(self):
        done = self.tether("run", "--pprof=no/such/p.pb.gz", "--", program("profile"))
        self.assertEnds(done, USAGE, "no/such/p.pb.gz: ")


class Page(Case):
    """Read by a browser."""

    def page(self, *options):
        self.tether("run", "--html=r.html", *options, "--", program("suite"))
        done = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu",
             "--virtual-time-budget=5000", "--dump-dom", "--user-data-dir=" + self.folder,
             "file://" + os.path.join(self.folder, "r.html")],
            capture_output=True, text=True, timeout=100,
        )
        self.assertNotIn("Uncaught", done.stderr)
        return done.stdout

    def test_all_parts_are_drawn(self):
        drawn = self.page("--max-heap=900KiB")
        self.assertIn("6 tests, 1 over a limit or leaking, 0 unchecked", drawn)
        self.assertEqual(drawn.count('<tr tabindex="0"'), 6)
        self.assertIn("a limit broke", drawn)
        self.assertIn("limit 900 KiB", drawn)
        self.assertIn("peak 1.0 MiB", drawn)
        self.assertIn(">cache_takes_a_lot_impl</div>", drawn)
        self.assertRegex(drawn, r"take \(suite\.c:\d+\)</td><td>1\.0 MiB")
        self.assertNotIn('id="detail" hidden', drawn)

    def test_it_needs_nothing_else(self):
        self.page()
        said = self.read("r.html").replace("http://www.w3.org/2000/svg", "")
        for outside in "http:", "https:", "src=", "href=", "@import":
            self.assertNotIn(outside, said)

    def test_names_cannot_end_the_script(self):
        env = {"PATH": os.environ["PATH"]}
        done = self.tether(
            "run", "--html=r.html", "--", "sh", "-c", ": '</script><b>'", env=env
        )
        self.assertEqual(done.returncode, 0)
        data = self.read("r.html").split('id="data">')[1]
        self.assertEqual(json.loads(data.split("</script>")[0])["status"], 0)

    def test_ini_asks_for_it(self):
        self.write("tether.ini", "[report]\nhtml = x.html\npprof = x.pb.gz\n")
        self.tether("run", "--", program("suite"))
        self.assertIn("cache_takes_a_lot_impl", self.read("x.html"))
        self.assertTrue(os.path.exists(os.path.join(self.folder, "x.pb.gz")))


class Several(Case):
    def shard(self, name, only, env={}):
        done = self.tether(
            "run", "--json=" + name, "--", program("suite"), "--filter", only, env=env
        )
        self.assertEqual(done.returncode, 0)

    def test_merge(self):
        self.shard("a.json", "cache/*")
        self.shard("b.json", "pool/*")
        done = self.tether("merge", "a.json", "b.json", "-o", "all.json")
        self.assertEnds(done, 0)
        names = {test["test"] for test in json.loads(self.read("all.json"))["tests"]}
        self.assertEqual(
            names,
            {"cache/takes_a_lot", "cache/takes_three", "pool/leaks", "pool/is_noisy"},
        )

    def test_merge_keeps_the_heaviest(self):
        self.shard("a.json", "cache/*")
        self.shard("b.json", "cache/*", env={"GROW": "5"})
        self.tether("merge", "b.json", "a.json", "-o", "all.json")
        tests = json.loads(self.read("all.json"))["tests"]
        self.assertEqual(tests[0]["peak_bytes"], (1 << 20) + 5)
        self.assertEqual(tests[0]["runs"], 2)

    def test_diff(self):
        self.shard("a.json", "cache/*")
        self.shard("b.json", "@(cache/*three|pool/leaks)", env={"GROW": "5"})
        done = self.tether("diff", "a.json", "b.json")
        self.assertEnds(done, 1, "3 -> 4", "cache::takes_three")
        lines = done.stdout.splitlines()
        self.assertTrue(any(l.startswith("new") and "pool::leaks" in l for l in lines))
        self.assertTrue(any(l.startswith("gone") and "lot" in l for l in lines))
        self.assertEnds(self.tether("diff", "a.json", "a.json"), 0)

    def test_what_is_no_report(self):
        self.shard("a.json", "cache/*")
        good = json.loads(self.read("a.json"))
        bad = [
            "",
            "{",
            "[]",
            "{}",
            json.dumps({**good, "schema": 2}),
            json.dumps({**good, "tests": 3}),
            json.dumps({**good, "tests": [{}]}),
            json.dumps({**good, "tests": [{**good["tests"][0], "count": -1}]}),
            json.dumps({**good, "tests": [{**good["tests"][0], "test": 1}]}),
        ]
        for text in bad:
            with self.subTest(text[:40]):
                self.write("bad.json", text)
                for command in ["merge", "bad.json"], ["diff", "a.json", "bad.json"]:
                    self.assertEnds(self.tether(*command), USAGE, "bad.json")
        self.assertEnds(self.tether("merge", "none.json"), USAGE, "none.json")

    def test_too_few(self):
        self.assertEnds(self.tether("merge"), USAGE, "no reports")
        self.assertEnds(self.tether("diff", "a.json"), USAGE, "two reports")


if __name__ == "__main__":
    main()
