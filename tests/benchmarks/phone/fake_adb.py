"""Stands in for adb: answers as the real one, for devices described in devices.json beside it.

The text of benchmark_model is laid out as LiteRT's own tool prints it: that of 2.x for a device with `litert` 2, else
the older one. A device: state, properties, what goes wrong
(`push`: adb's own complaint; `tool`: per place "refused", "killed", "gone", "crash"), and milliseconds per place.
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
DEVICES = json.loads((HERE / "devices.json").read_text())


def log(line):
    with (HERE / "log.txt").open("a") as handle:
        handle.write(line + "\n")


def fail(line, code=1):
    sys.stderr.write(line + "\n")
    sys.exit(code)


def listed():
    gone = {path.stem for path in HERE.glob("*.gone")}
    print("* daemon started successfully\nList of devices attached")
    for serial, device in DEVICES.items():
        if serial not in gone:
            print(f"{serial:<22} {device['state']} usb:1-1 product:x model:Y transport_id:1")
    print()


def shell(serial, device, command):
    if command.startswith("getprop"):
        print(device.get("properties", {}).get(command.split()[1], ""))
    elif command == "dumpsys thermalservice":
        print(f"IsStatusOverride: false\nThermalEventListeners:\nThermal Status: {device.get('heat', 0)}")
    elif "scaling_cur_freq" in command:
        print("1804800\n1804800\n2401000\n2850000")
    elif "/benchmark_model --graph" in command:
        tool(serial, device, command)
    elif command.startswith(("mkdir", "chmod", "rm -rf /data/local/tmp/portraitnet-benchmark")):
        return
    else:
        fail(f"/system/bin/sh: {command}: not found", 127)


def tool(serial, device, command):
    place = "gpu" if "--use_gpu=true" in command else "npu" if "--use_npu=true" in command else "cpu"
    threads = int(re.search(r"--num_threads=(\d+)", command).group(1))
    runs = int(re.search(r"--num_runs=(\d+)", command).group(1))
    if place != "cpu":
        assert "--use_cpu=false --require_full_delegation=true" in command
    if place == "npu":
        libraries = "/data/local/tmp/portraitnet-benchmark/npu"
        assert command.startswith(f"LD_LIBRARY_PATH={libraries}:")
        assert f"--dispatch_library_path={libraries} --compiler_plugin_library_path={libraries}" in command
    wrong = device.get("tool", {}).get(place, "")
    print(f"STARTING!\nLog parameter values verbosely: [0]\nNum threads: [{threads}]\nLoaded model m.tflite")
    if wrong == "crash":
        print("ERROR: Failed to apply GPU delegate.\nBenchmarking failed.")
        sys.exit(1)
    if wrong == "killed":
        print("Running benchmark for at least 5 iterations")
        fail("Killed", 137)
    if wrong == "gone":
        (HERE / f"{serial}.gone").touch()
        fail(f"error: device '{serial}' not found")
    if place == "cpu":
        print("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.")
        print(
            "VERBOSE: Replacing 122 out of 124 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 1 "
            "partitions for subgraph 0."
        )
    elif wrong == "refused":
        print(
            f"Though {place.upper()} delegate is explicitly applied, the model graph will not be executed by the "
            "delegate."
        )
    elif wrong == "unknown":
        print(f"WARN: Unconsumed cmdline flags: --use_{place}=true --require_full_delegation=true")
    elif place == "gpu":
        print("Explicitly applied GPU delegate, and the model graph will be completely executed by the delegate.")
    calls = HERE / f"{serial}.calls"
    calls.write_text(calls.read_text() + "." if calls.exists() else ".")
    slower = device.get("throttles", 1) if len(calls.read_text()) > device.get("cool_calls", 10**6) else 1
    middle = 1000 * device["ms"][place] / threads * slower
    if device.get("litert") == 2:
        return print_as_litert_2(runs, middle)
    print("The input model file size (MB): 2.9\nInitialized session in 18.777ms.")
    slow = f"first={2 * middle:.0f} curr={middle:.0f} min={middle:.0f} max={3 * middle:.0f}"
    print(f"count=9 {slow} avg={1.5 * middle:g} std=99\n")
    newer = f" p5={middle:.0f} median={middle:.0f} p95={middle:.0f}" if device.get("newer") else ""
    print(f"count={runs} {slow} avg={middle:g} std=12{newer}\n")
    print(
        f"Inference timings in us: Init: 18777, First inference: {2 * middle:.0f}, Warmup (avg): {middle:g}, "
        f"Inference (avg): {middle:g}"
    )
    print("Overall peak memory footprint (MB) via periodic monitoring: init=8.97 overall=18.7227")
    print("Profiling Info for Benchmark Initialization:")
    print("============================== Run Order ==============================")
    print("\t             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]")
    print(
        "\t         AllocateTensors\t   99.000\t   99.000\t 100.0%\t 100.0%\t     0.000\t        1\tAllocateTensors/0"
    )
    print("Operator-wise Profiling Info for Regular Benchmark Runs:")
    print("============================== Run Order ==============================")
    print("\t             [node type]\t  [first]\t [avg ms]\t     [%]\t  [cdf%]\t  [mem KB]\t[times called]\t[Name]")
    print("\t  Convolution (NHWC, QC8)\t    1.200\t    1.100\t 40.0%\t 40.0%\t     0.000\t        1\t[conv]:0")
    print("\t    Convert (NC, F32, QS8)\t    0.010\t    0.020\t  1.0%\t 41.0%\t     0.000\t        1\t[cast]:1")
    print("============================== Top by Computation Time ==============================")


def print_as_litert_2(runs, middle):
    """As the benchmark_model of LiteRT 2.x prints it, by its own build instructions."""
    line = f"first={2 * middle:.0f} curr={middle:.0f} min={middle:.0f} max={3 * middle:.0f} avg={middle:g} std=12"
    print("INFO: Initialized session in 5.757ms.")
    print(f"INFO: count=9 {line} p5={middle:.0f} median={1.5 * middle:g} p95={middle:.0f}\n")
    print(f"INFO: count={runs} {line} p5={middle:.0f} median={middle:g} p95={middle:.0f}\n")
    told = "INFO: [./litert/tools/benchmark_litert_model.h:73]"
    print("INFO: [./litert/tools/benchmark_litert_model.h:72] \n========== BENCHMARK RESULTS ==========")
    print(f"{told} Model initialization: 5.76 ms\n{told} Warmup (first):       {2 * middle / 1000:.2f} ms")
    print(f"{told} Warmup (avg):         0.95 ms (526 runs)\n{told} Inference (avg):      0.95 ms ({runs} runs)")
    print(f"{told} \nMemory Usage:\n{told} Init footprint:       4.06 MB\n{told} Overall footprint:    7.07 MB")
    print(f"{told} Peak memory usage not available. (peak_mem_mb <= 0)")


def main():
    arguments = sys.argv[1:]
    log(" ".join(arguments))
    if arguments[:1] == ["devices"]:
        return listed()
    if arguments[:1] != ["-s"]:
        fail("error: no command")
    serial, (command, *rest) = arguments[1], arguments[2:]
    device = DEVICES[serial]
    if (HERE / f"{serial}.gone").exists() or device["state"] != "device":
        fail(f"error: device '{serial}' not found")
    if command == "get-state":
        print("device")
    elif command == "push":
        if device.get("push"):
            fail(f"adb: error: failed to copy '{rest[0]}' to '{rest[1]}': {device['push']}")
        assert Path(rest[0]).exists()
        print(f"{rest[0]}: 1 file pushed, 0 skipped. 30.1 MB/s")
    elif command == "shell":
        return shell(serial, device, " ".join(rest))
    else:
        fail(f"adb: unknown command {command}")
    return None


main()
