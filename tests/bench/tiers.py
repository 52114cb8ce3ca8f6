#!/usr/bin/env python3
# What the two tiers of deploy/collector need for a million spans with 8 attributes, for the sizes in docs/operations.md:
# CPU seconds and memory of agent and gateway, and bytes on the agent's disk while no gateway answers. Spans come from the
# Go peer (peers/go), which is built if it is not there; the Collector is the tests' own.
#
#     tests/bench/tiers.py [SPANS]        (default 300000)
#
# SPDX-License-Identifier: Apache-2.0
"""Measures; asserts nothing but that all arrived."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/integration/collector"))

from collector import build, wait_for  # noqa: E402
from test_tiers import Tier  # noqa: E402

SPANS = int(sys.argv[1]) if len(sys.argv) > 1 else 300000
PEER = ROOT / "build/peers/peer-go"


def cpu_seconds(tier):
    fields = (Path("/proc/%d/stat" % tier.process.pid).read_text().rpartition(")")[2]).split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(tier):
    for line in Path("/proc/%d/status" % tier.process.pid).read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0


def send(tier):
    subprocess.run([PEER, tier.endpoint, str(SPANS)], check=True, stdout=subprocess.DEVNULL)


def main():
    if not PEER.exists():
        PEER.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["go", "build", "-o", PEER, "."], cwd=ROOT / "tests/bench/peers/go", check=True)
    binary = build()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        endpoint = subprocess.Popen([ROOT / "build/tests/bench/logctx-bench-endpoint"], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True)
        gateway = Tier(binary, folder, "gateway", [ROOT / "deploy/collector/gateway.yaml"], MAX_TRACES=str(2 * SPANS),
                       BACKEND="http://127.0.0.1:" + endpoint.stdout.readline().strip(), DECISION_WAIT="1s")
        agent = Tier(binary, folder, "agent", [ROOT / "deploy/collector/agent.yaml"], GATEWAY_INSECURE="true",
                     GATEWAY_PORT=gateway.ports["OTLP_GRPC_PORT"])
        try:
            agent.start()
            send(agent)
            on_disk = agent.own("otelcol_exporter_queue_size", exporter="load_balancing")
            gateway.start()
            wait_for(lambda: gateway.own("otelcol_receiver_accepted_spans") >= SPANS, "the spans at the gateway", 600)
            before = cpu_seconds(agent), cpu_seconds(gateway)
            send(agent)
            wait_for(lambda: gateway.own("otelcol_receiver_accepted_spans") >= 2 * SPANS, "the spans at the gateway", 600)
            wait_for(lambda: gateway.own("otelcol_processor_tail_sampling_global_count_traces_sampled") ==
                     gateway.own("otelcol_processor_tail_sampling_new_trace_id_received"), "the decisions", 600)
            for name, tier, begin in (("agent", agent, before[0]), ("gateway", gateway, before[1])):
                print("%s: %.1f CPU s a million spans, %.0f MB at its peak" %
                      (name, (cpu_seconds(tier) - begin) / SPANS * 1e6, peak_mb(tier)))
            print("in the queue: %.0f bytes a span" % (on_disk / SPANS))
        finally:
            agent.kill()
            gateway.kill()
            endpoint.stdin.close()
            endpoint.wait()


if __name__ == "__main__":
    main()
