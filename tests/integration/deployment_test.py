#!/usr/bin/env python3
# deploy/compose.yaml and deploy/kubernetes, read by the tools and the types that will read them when they are used. (The
# Collectors' configurations are run: collector/test_tiers.py.)
#
#     deployment_test.py SOURCE-FOLDER
#
# Exit status 77: a tool is missing; with CI=true that is a failure.
# SPDX-License-Identifier: Apache-2.0
"""What is deployed is well formed, refers to what is there, is pinned, and opens nothing to the network."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path()
HERE = Path(__file__).resolve().parent
FOLDER = tempfile.TemporaryDirectory()
GO_VERSION = (1, 25)


def find_go():
    """A Go that is new enough, or None."""
    for candidate in (os.environ.get("LOGCTX_GO"), shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and os.access(candidate, os.X_OK):
            version = re.search(r"go(\d+)\.(\d+)", subprocess.check_output([candidate, "version"], text=True))
            if version and tuple(map(int, version.groups())) >= GO_VERSION:
                return candidate
    return None


def run(command, text=None):
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def collector_version():
    return re.search(r"^  version: (\S+)", (HERE / "collector/builder.yaml").read_text(), re.M)[1]


def images(text):
    return re.findall(r"^\s*(?:- )?image: (\S+)", text, re.M)


class Compose(unittest.TestCase):
    path: Path

    @classmethod
    def setUpClass(cls):
        cls.path = ROOT / "deploy/compose.yaml"
        cls.text = cls.path.read_text()
        result = run(["docker-compose", "-f", str(cls.path), "config"])
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        # The tool prints YAML; the lines that are looked at have one form.
        cls.config = result.stdout

    def test_a_mistake_would_be_seen(self):
        broken = Path(FOLDER.name) / "compose.yaml"
        broken.write_text(self.text.replace("restart: unless-stopped", "restarts: unless-stopped", 1))
        self.assertNotEqual(run(["docker-compose", "-f", str(broken), "config"]).returncode, 0)

    def test_images_are_pinned_and_the_collector_is_the_one_that_is_tested(self):
        found = images(self.text)
        self.assertEqual(len(found), 5)
        for image in found:
            self.assertRegex(image, r":v?\d+\.\d+\.\d+$")
        self.assertIn("otel/opentelemetry-collector-contrib:" + collector_version(), found)

    def test_ports_are_open_on_loopback_only(self):
        ports = re.findall(r"^\s+- (\S+:\d+(?:/tcp)?)$", self.config, re.M)
        self.assertGreaterEqual(len(ports), 6)
        for port in ports:
            self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_what_is_mounted_is_there(self):
        mounts = re.findall(r"^\s+- (/\S+):/\S+:ro$", self.config, re.M)
        self.assertGreaterEqual(len(mounts), 6)
        for mount in mounts:
            self.assertTrue(Path(mount).is_dir(), mount)
        for argument in re.findall(r'config(?:\.file)?=(/[^\s"\]]+)', self.text):
            folder = {"/etc/otelcol": "collector", "/etc/tempo": "tempo", "/etc/prometheus": "prometheus",
                      "/etc/alertmanager": "prometheus"}[str(Path(argument).parent)]
            self.assertTrue((ROOT / "deploy" / folder / Path(argument).name).is_file(), argument)

    def test_they_find_each_other(self):
        services = set(re.findall(r"^  ([a-z]+):$", self.text.partition("\nvolumes:")[0], re.M))
        self.assertLess({"demo", "agent", "gateway", "tempo", "prometheus", "alertmanager", "grafana"}, services)
        named = set(re.findall(r"([a-z-]+):\d{4}\b", (ROOT / "deploy/prometheus/prometheus.yml").read_text()))
        for path in (ROOT / "deploy/grafana/provisioning").rglob("*.yaml"):
            named |= set(re.findall(r"http://([a-z-]+):\d+", path.read_text()))
        named |= set(re.findall(r"http://([a-z-]+):\d+", self.text.partition("\nservices:")[2]))
        self.assertGreaterEqual(len(named), 5)
        self.assertLessEqual(named, services)


class Kubernetes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.checker = str(Path(FOLDER.name) / "check")
        built = subprocess.run([find_go(), "build", "-mod=readonly", "-o", cls.checker, "."], cwd=HERE / "kubernetes",
                               env=os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-buildvcs=false"}, check=False)
        if built.returncode != 0:
            raise AssertionError("the program that knows Kubernetes' types cannot be built")
        rendered = run([cls.checker, str(ROOT / "deploy/kubernetes")])
        if rendered.returncode != 0:
            raise AssertionError(rendered.stderr)
        cls.rendered = rendered.stdout

    def faults(self, text):
        return run([self.checker], text).stderr

    def test_all_of_it_is_what_kubernetes_takes(self):
        result = run([self.checker], self.rendered)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(sorted(result.stdout.split()),
                         ["ConfigMap", "ConfigMap", "DaemonSet", "Namespace", "NetworkPolicy", "PodDisruptionBudget", "Service",
                          "StatefulSet"])

    def test_mistakes_would_be_seen(self):
        self.assertIn("unknown field", self.faults(self.rendered.replace("readinessProbe:", "readynessProbe:")))
        self.assertIn("not there", self.faults(re.sub(r"(configMap:\n\s+name: )\S+", r"\1other", self.rendered)))
        self.assertIn("does not have", self.faults(self.rendered.replace("port: health", "port: wealth")))
        self.assertIn("selects no pod", self.faults(self.rendered.replace("kind: StatefulSet", "kind: ReplicaSet")))

    def test_images_are_those_that_are_tested(self):
        self.assertEqual(set(images(self.rendered)), {"otel/opentelemetry-collector-contrib:" + collector_version()})

    def test_the_configurations_are_the_tested_files(self):
        for name in ("agent", "gateway"):
            lines = (ROOT / "deploy/collector" / (name + ".yaml")).read_text().splitlines()
            inside = json.dumps(self.rendered)
            for line in filter(str.strip, lines):
                self.assertIn(json.dumps(line)[1:-1], inside)


if __name__ == "__main__":
    ROOT = Path(sys.argv[1]).resolve()
    missing = [tool for tool in ("docker-compose",) if shutil.which(tool) is None]
    if find_go() is None:
        missing.append("Go %d.%d or later" % GO_VERSION)
    if missing:
        print("SKIPPED: to read what is deployed, these are missing: " + ", ".join(missing))
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
