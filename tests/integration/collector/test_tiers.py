#!/usr/bin/env python3
# The two tiers of deploy/collector, as they are deployed: the demo sends to the agent, the agent to gateways, the gateways
# to a store. Every part that keeps data is killed while it keeps some.
#
#     test_tiers.py PATH/TO/logctx-demo DEPLOY-FOLDER
#
# Exit status 77: there is no Go toolchain to build the Collector with; with CI=true that is a failure.
# SPDX-License-Identifier: Apache-2.0
"""What the gateways keep: every trace with a transition error, whole, and nothing that was not asked for."""

import collections
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import exposition
import otlp_lines
import test_demo
from collector import Collector, CollectorError, NoToolchain, build, free_ports, wait_for

DEPLOY = Path()
ENVIRONMENT = {"LISTEN": "127.0.0.1", "SCRAPE_LISTEN": "127.0.0.1"}
TLS = "gateway-tls.yaml"


class Tier:
    """One agent or gateway with its folder, which stays when the process is killed and started again."""

    def __init__(self, binary, folder, name, configs, **settings):
        ports = free_ports(5)
        self.ports = dict(zip(("OTLP_HTTP_PORT", "OTLP_GRPC_PORT", "PROM_PORT", "HEALTH_PORT", "SELF_PORT"), map(str, ports)))
        self.log_path = folder / (name + ".log")
        self.name = name
        self.settings = ENVIRONMENT | self.ports | {"QUEUE_DIR": str(folder / name)} | settings
        self.command = [binary] + ["--config=%s" % config for config in configs]
        self.process = None

    @property
    def endpoint(self):
        return "http://127.0.0.1:" + self.ports["OTLP_HTTP_PORT"]

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, env=self.settings, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT)
        wait_for(self._ready, self.name + " to be ready")

    def _ready(self):
        if self.process.poll() is not None:
            raise CollectorError("%s ended with %d:\n%s" % (self.name, self.process.returncode,
                                                            self.log_path.read_text(errors="replace")[-3000:]))
        try:
            return self._get("HEALTH_PORT", "/")[0] == 200
        except OSError:
            return False

    def _get(self, port, path):
        connection = http.client.HTTPConnection("127.0.0.1", int(self.ports[port]), timeout=60)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def own(self, metric, **labels):
        """The sum of a metric of the Collector's own, over the series that have these labels."""
        return sum(sample.value for sample in exposition.samples(self._get("SELF_PORT", "/metrics")[1])
                   if sample.name == metric and labels.items() <= sample.labels.items())

    def scrape(self):
        return exposition.samples(self._get("PROM_PORT", "/metrics")[1])

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            raise CollectorError("%s ended badly after SIGTERM:\n%s" % (self.name, self.log_path.read_text()[-3000:]))


def make_load(demo, rooms):
    load = test_demo.Load(demo)
    load.rooms(rooms)
    load.ask("GET /report", "/report")
    for bug in list(test_demo.BUGS) * 3:
        load.ask("GET /bug/" + bug, "/bug/" + bug)
    wait_for(lambda: demo.log_path.read_text(errors="replace").count("audited") == 3, "the audits of /bug/restarted")
    status, stats = demo.stop()
    if status != 0:
        raise CollectorError("the demo ended with %d" % status)
    return stats


def sampled(gateways):
    """How many traces were decided upon, over all gateways."""
    return sum(gateway.own("otelcol_processor_tail_sampling_global_count_traces_sampled") for gateway in gateways)


def received(gateways):
    return sum(gateway.own("otelcol_processor_tail_sampling_new_trace_id_received") for gateway in gateways)


def sent_by(stats):
    """Every span that the demo made, those of late errors besides contexts."""
    return stats["library"]["ended"] + stats["library"]["error_spans"]


class Tiers(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.binary = build()
        self.store = Collector(self.binary, self.folder)
        self.addCleanup(self.store.kill)

    def tier(self, name, configs, **settings):
        tier = Tier(self.binary, self.folder, name, configs, **settings)
        self.addCleanup(tier.kill)
        return tier

    def gateway(self, name, configs=("gateway.yaml",), **settings):
        return self.tier(name, [DEPLOY / "collector" / config for config in configs], BACKEND=self.store.endpoint,
                         DECISION_WAIT="1s", SLOW_MS="3600000", **settings)

    def demo(self, endpoint):
        demo = test_demo.Demo(self.folder, endpoint)
        self.addCleanup(demo.kill)
        return demo

    def spans_when(self, count, what):
        wait_for(lambda: len(otlp_lines.unique_spans(self.store.read_spans())) >= count, what)
        return otlp_lines.unique_spans(self.store.read_spans())

    def certificate(self):
        key, certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days",
                        "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                       check=True, stderr=subprocess.DEVNULL)
        return key, certificate

    def test_errors_are_kept_whole_and_survive_kills(self):
        gateway = self.gateway("gateway", KEEP_PERCENT="0")
        agent = self.tier("agent", [DEPLOY / "collector/agent.yaml"], GATEWAY_HOST="localhost", GATEWAY_INSECURE="true",
                          GATEWAY_PORT=gateway.ports["OTLP_GRPC_PORT"])
        agent.start()
        stats = make_load(self.demo(agent.endpoint), 200)
        self.assertEqual(stats["library"]["exported"], sent_by(stats))
        errors = {sample.labels["logctx_error_kind"]: sample.value for sample in agent.scrape()
                  if sample.name == "logctx_transition_errors_total"}
        self.assertEqual(errors, stats["library"]["errors"])  # metrics do not wait for a gateway
        agent.kill()  # no gateway was there: all spans are on its disk
        gateway.start()
        agent.start()
        wait_for(lambda: gateway.own("otelcol_receiver_accepted_spans") >= sent_by(stats), "the spans at the gateway")
        wait_for(lambda: sampled([gateway]) == received([gateway]), "the gateway's decisions")
        wait_for(lambda: gateway.own("otelcol_exporter_enqueue_failed_spans") == 0 and
                 gateway.own("otelcol_exporter_queue_size", exporter="otlp_http") > 0, "spans that wait for the store")
        gateway.kill()  # no store was there: what it keeps is on its disk
        self.store.start()
        self.store.wait_ready()
        gateway.start()
        kinds = collections.Counter({kind: count for kind, count in stats["library"]["errors"].items() if count})
        self.assertEqual(kinds, {kind: 3 for kind in test_demo.BUGS.values()})
        spans = self.spans_when(9 + stats["library"]["error_spans"], "the spans with errors")
        self.assertEqual(collections.Counter(attributes["logctx.error.kind"] for attributes, _ in test_demo.errors(spans)),
                         kinds)
        self.assertEqual(collections.Counter(span["name"] for span in spans),
                         {"GET /bug/lost": 3, "GET /bug/leaked": 3, "GET /bug/restarted": 3,
                          "logctx.transition_error": stats["library"]["error_spans"]})
        gateway.stop()
        agent.stop()

    def test_a_trace_stays_together_on_two_gateways(self):
        key, certificate = self.certificate()
        gateways = [self.gateway(name, ("gateway.yaml", TLS), KEEP_PERCENT="100", TLS_KEY=str(key), TLS_CERT=str(certificate))
                    for name in ("gateway-1", "gateway-2")]
        # Two gateways on one machine have one address and two ports, which only the list of names can say.
        text = (DEPLOY / "collector/agent.yaml").read_text()
        before, _, after = text.partition("      dns:\n")
        rest = after.partition("    timeout: 10s\n")[2]
        listed = "".join('          - "localhost:%s"\n' % gateway.ports["OTLP_GRPC_PORT"] for gateway in gateways)
        config = self.folder / "agent.yaml"
        config.write_text(before + "      static:\n        hostnames:\n" + listed + "    timeout: 10s\n" + rest)
        agent = self.tier("agent", [config], GATEWAY_CA=str(certificate))
        self.store.start()
        self.store.wait_ready()
        for tier in gateways + [agent]:
            tier.start()
        stats = make_load(self.demo(agent.endpoint), 200)
        spans = self.spans_when(sent_by(stats), "all spans")
        self.assertEqual(len(spans), sent_by(stats))
        accepted = [gateway.own("otelcol_receiver_accepted_spans") for gateway in gateways]
        self.assertEqual(sum(accepted), sent_by(stats))
        self.assertGreater(min(accepted), 0)
        # A trace that were on both would have been received as new twice.
        self.assertEqual(received(gateways), len({span["trace_id"] for span in spans}))
        self.assertLess(received(gateways), len(spans))  # there are traces of more than one span

    def test_an_agent_does_not_send_to_whom_it_cannot_verify(self):
        key, certificate = self.certificate()
        gateway = self.gateway("gateway", ("gateway.yaml", TLS), TLS_KEY=str(key), TLS_CERT=str(certificate))
        agent = self.tier("agent", [DEPLOY / "collector/agent.yaml"], GATEWAY_PORT=gateway.ports["OTLP_GRPC_PORT"])
        gateway.start()
        agent.start()
        stats = make_load(self.demo(agent.endpoint), 5)
        self.assertEqual(stats["library"]["exported"], sent_by(stats))  # the agent keeps them
        wait_for(lambda: "certificate" in agent.log_path.read_text(errors="replace"), "the agent to say why")
        self.assertEqual(gateway.own("otelcol_receiver_accepted_spans"), 0)


if __name__ == "__main__":
    test_demo.DEMO = sys.argv[1]
    DEPLOY = Path(sys.argv[2])
    try:
        build()
    except NoToolchain as missing:
        print(missing)
        sys.exit(1 if os.environ.get("CI") == "true" else 77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
