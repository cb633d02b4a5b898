#!/usr/bin/env python3
"""Renews the schemas that the manifests in examples/ are held against: filter/cli/tests/crds/.

They are those of the custom resource definitions that Istio and Envoy Gateway publish in their Go
modules (both Apache-2.0), without descriptions, each cut to what an example or a test of ours has.
Needs `go`, and PyYAML.
"""

import json
import pathlib
import subprocess

import yaml

OUT = pathlib.Path(__file__).parent.parent / "filter/cli/tests/crds"
ISTIO = ("istio.io/api", "v1.32.0")
GATEWAY = ("github.com/envoyproxy/gateway", "v1.9.1")
GENERATED = "charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_"

# The file of a definition in its module, its kind, and what is kept of `spec` (None: all).
WANTED = [
    (ISTIO, "kubernetes/customresourcedefinitions.gen.yaml", kind, None)
    for kind in ("WasmPlugin", "TrafficExtension", "EnvoyFilter", "ServiceEntry")
] + [
    (GATEWAY, GENERATED + "envoyextensionpolicies.yaml", "EnvoyExtensionPolicy",
     ["targetRef", "targetRefs", "targetSelectors", "wasm"]),
    (GATEWAY, GENERATED + "envoypatchpolicies.yaml", "EnvoyPatchPolicy", None),
    (GATEWAY, GENERATED + "envoyproxies.yaml", "EnvoyProxy", ["filterOrder", "shutdown"]),
]


def directory(module, version):
    """Where `go` has a module."""
    out = subprocess.run(["go", "mod", "download", "-json", f"{module}@{version}"],
                         check=True, capture_output=True).stdout
    return pathlib.Path(json.loads(out)["Dir"])


def plain(schema):
    """The same schema without words for people."""
    if isinstance(schema, list):
        return [plain(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    # A property may be called `description`; a description is a text.
    return {key: plain(it) for key, it in schema.items()
            if not (key in ("description", "x-kubernetes-validations") and not isinstance(it, dict))}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for (module, version), file, kind, kept in WANTED:
        text = (directory(module, version) / file).read_text()
        definitions = [it for it in yaml.safe_load_all(text) if it]
        [definition] = [it for it in definitions if it["spec"]["names"]["kind"] == kind]
        versions = {}
        for it in definition["spec"]["versions"]:
            spec = plain(it["schema"]["openAPIV3Schema"]["properties"]["spec"])
            if kept is not None:
                spec["properties"] = {key: spec["properties"][key] for key in kept}
                spec["x-kept"] = kept
            versions[it["name"]] = spec
        document = {"source": f"{module} {version}, Apache-2.0: {file}",
                    "group": definition["spec"]["group"], "kind": kind, "versions": versions}
        (OUT / f"{kind}.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


main()
