#!/usr/bin/env python3
"""Checks the chart for every file of cases/; check.sh calls it.

check.py FOLDER: the schemas of the Kubernetes API are written there.
"""

import importlib.resources
import json
import pathlib
import re
import subprocess
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
CHART = HERE / "anomaly"
ROOT = HERE.parent.parent
# The oldest version that Chart.yaml allows, and a current one.
VERSIONS = ["1.25.0", "1.34.0"]
# Made by another program than Kubernetes: there is no schema of it here.
FOREIGN = "ServiceMonitor"
SECRET_SETTINGS = re.compile(r"(PASSWORD|TOKEN|API_KEY|DATABASE_URL)$")

faults = []


def fault(where, what):
    faults.append(f"{where}: {what}")


def run(*command, stdin=None):
    done = subprocess.run(command, input=stdin, text=True, capture_output=True)
    return done.returncode, done.stdout, done.stderr


def write_schemas(folder):
    """Their references are made relative, as kubeconform resolves them."""
    packed = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema"
    for version in VERSIONS:
        target = folder / f"v{version}"
        target.mkdir(parents=True, exist_ok=True)
        for file in (packed / f"v{version}-local-strict").iterdir():
            schema = json.loads(file.read_text().replace("/api/_definitions.json", "_definitions.json"))
            schema.pop("$id", None)
            (target / file.name).write_text(json.dumps(schema))


def render(case, version):
    return run("helm", "template", "r", str(CHART), "--kube-version", version, "--values", str(case))


def conforms(case, version, manifests, schemas):
    location = f"{schemas}/{{{{.NormalizedKubernetesVersion}}}}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    code, out, err = run(
        *("kubeconform", "-strict", "-summary", "-kubernetes-version", version),
        *("-skip", FOREIGN, "-schema-location", location),
        stdin=manifests,
    )
    print(f"{case.stem}, Kubernetes {version}: {out.strip()}")
    if code:
        fault(case.stem, f"kubeconform: {out}{err}")


def settings_of(program, known={}):
    """The names of the variables that a program reads, as its help tells."""
    if program not in known:
        _, out, _ = run(str(ROOT / "target/debug" / program), "--help")
        known[program] = set(re.findall(r"\[env: (\w+)", out))
        assert known[program], f"{program} --help names no variable"
    return known[program]


def is_confined(where, spec):
    """What docker-compose.yml gives to each container, in the words of Kubernetes."""
    pod = spec["securityContext"]
    container = spec["containers"][0]
    own = container["securityContext"]
    wanted = {
        "no variables for services": spec.get("enableServiceLinks") is False,
        "no token of the API": spec.get("automountServiceAccountToken") is False,
        "a user without rights": pod["runAsNonRoot"] and pod["runAsUser"] > 0 and pod["runAsGroup"] > 0,
        "a seccomp profile": pod["seccompProfile"]["type"] == "RuntimeDefault",
        "a read-only root": own["readOnlyRootFilesystem"],
        "no capabilities": own["capabilities"] == {"drop": ["ALL"]},
        "no new privileges": own["allowPrivilegeEscalation"] is False,
        "a limit of memory": container["resources"]["limits"].get("memory"),
    }
    for what, holds in wanted.items():
        if not holds:
            fault(where, f"not so: {what}")


def environment(where, container, shared):
    """Variables that the program knows, no secret among them, and files that are mounted. `shared`:
    the settings that are given to all processes, whether they know them or not."""
    known = settings_of(container["name"])
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    for variable in container["env"]:
        name, value = variable["name"], variable.get("value", "")
        if name not in known and name not in shared:
            fault(where, f"{container['name']} does not read {name}")
        if SECRET_SETTINGS.search(name):
            fault(where, f"{name} is a secret and in the environment")
        if value.startswith("/") and not any(value.startswith(f"{mount}/") for mount in mounts):
            fault(where, f"{name}={value} is not mounted")


def mounts_exist(where, spec, claims):
    volumes = {volume["name"] for volume in spec["volumes"]} | claims
    for mount in spec["containers"][0]["volumeMounts"]:
        if mount["name"] not in volumes:
            fault(where, f"there is no volume {mount['name']}")


def is_watched(where, spec):
    container = spec["containers"][0]
    ports = {port["name"] for port in container["ports"]}
    for probe, path in [("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz")]:
        asked = container[f"{probe}Probe"]["httpGet"]
        if asked["path"] != path or asked["port"] not in ports:
            fault(where, f"{probe} asks {asked}")
    variables = {variable["name"]: variable.get("value") for variable in container["env"]}
    delay = int(variables.get("SHUTDOWN_DELAY_SECONDS", 0))
    if spec["terminationGracePeriodSeconds"] < delay + 20:
        fault(where, f"is killed before {delay} s of delay and 20 s are over")


def selects(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


def belongs_together(case, objects):
    """Services lead to pods, the gateway's addresses to services, and each process has a budget."""
    kinds = {kind: [o for o in objects if o["kind"] == kind] for kind in {o["kind"] for o in objects}}
    processes = kinds.get("Deployment", []) + kinds.get("StatefulSet", [])
    labels = {p["metadata"]["name"]: p["spec"]["template"]["metadata"]["labels"] for p in processes}
    for service in kinds["Service"]:
        if not any(selects(service["spec"]["selector"], found) for found in labels.values()):
            fault(case, f"service {service['metadata']['name']} leads to no pod")
    ports = {s["metadata"]["name"]: [p["port"] for p in s["spec"]["ports"]] for s in kinds["Service"]}
    for process in processes:
        name = process["metadata"]["name"]
        if process["kind"] == "StatefulSet" and process["spec"]["serviceName"] not in ports:
            fault(case, f"{name} has no service")
        budgets = kinds["PodDisruptionBudget"]
        if sum(selects(b["spec"]["selector"]["matchLabels"], labels[name]) for b in budgets) != 1:
            fault(case, f"{name} has not one PodDisruptionBudget")
        for variable in process["spec"]["template"]["spec"]["containers"][0]["env"]:
            address = re.fullmatch(r"http://([\w-]+):(\d+)", variable.get("value", ""))
            if variable["name"] in ("TRAINER_URL", "PREDICTOR_URL", "OBSERVER_URL"):
                if int(address[2]) not in ports.get(address[1], []):
                    fault(case, f"{variable} leads to no service")


def check_object(where, o, values, shared):
    if o["kind"] == "Pod":
        is_confined(where, o["spec"])
    if o["kind"] not in ("Deployment", "StatefulSet", "Job"):
        return
    spec = o["spec"]["template"]["spec"]
    claims = {claim["metadata"]["name"] for claim in o["spec"].get("volumeClaimTemplates", [])}
    is_confined(where, spec)
    environment(where, spec["containers"][0], shared)
    mounts_exist(where, spec, claims)
    if o["kind"] != "Job":
        is_watched(where, spec)
        if values.get("stopped") and o["spec"].get("replicas") != 0:
            fault(where, "is not stopped")


def check(case, schemas):
    for version in VERSIONS:
        code, manifests, err = render(case, version)
        if code:
            fault(case.stem, err)
            return
        conforms(case, version, manifests, schemas)
    code, out, err = run("helm", "lint", "--strict", str(CHART), "--kube-version", version, "--values", str(case))
    if code:
        fault(case.stem, out + err)
    values = yaml.safe_load(case.read_text())
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    shared = {*defaults["settings"], *values.get("settings", {})}
    objects = [o for o in yaml.safe_load_all(manifests) if o]
    for o in objects:
        check_object(f"{case.stem}, {o['kind']} {o['metadata']['name']}", o, values, shared)
    belongs_together(case.stem, objects)


def is_refused(message, *options):
    code, _, err = run("helm", "template", "r", str(CHART), "--kube-version", VERSIONS[-1], *options)
    if not code or message not in err:
        fault("refusals", f"{options}: {err or 'taken'}")


def check_texts():
    """Numbers stay what they are, and the value of one process goes before that of all."""
    _, manifests, _ = render(HERE / "cases/standalone-all.yaml", VERSIONS[-1])
    (process,) = [o for o in yaml.safe_load_all(manifests) if o and o["kind"] == "StatefulSet"]
    variables = process["spec"]["template"]["spec"]["containers"][0]["env"]
    found = {variable["name"]: variable.get("value") for variable in variables}
    wanted = {
        "MAX_STORE_BYTES": "107374182400",
        "CHECKPOINT_MB_PER_SECOND": "2.5",
        "LOG_LEVEL": "info,gateway=debug",
        "WEBHOOK_URL": "https://hooks.example/a#b",
    }
    for name, value in wanted.items():
        if found.get(name) != value:
            fault("texts", f"{name}={found.get(name)}, not {value}")


def main():
    schemas = pathlib.Path(sys.argv[1])
    write_schemas(schemas)
    cases = sorted((HERE / "cases").glob("*.yaml"))
    for case in cases:
        check(case, schemas)
    check_texts()
    is_refused("access.apiKeys.existingSecret is empty")
    anonymous = ("--set", "access.allowAnonymous=true")
    is_refused("needs kafka.brokers", *anonymous, "--set", "mode=distributed")
    is_refused("invalid propertyName 'LOG_LEVLE'", *anonymous, "--set", "settings.LOG_LEVLE=debug")
    for what in faults:
        print(f"fault: {what}")
    print(f"{len(cases)} sets of values checked, {len(faults)} faults")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
