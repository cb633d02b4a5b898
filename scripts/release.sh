# shellcheck shell=bash
# What is published of a version: the module, an image of it, and what goes with them, in dist/. The
# same sources and tools make the same bytes: nothing here has a time, a user or a directory in it.

cargo_cyclonedx=0.5.9
version=$(sed -nE '/^\[workspace\.package\]/,/^\[/s/^version = "([^"]+)"/\1/p' "$root/Cargo.toml")
image=$root/dist/oci

word_release() {
    rust
    word_wasm
    # Nothing of an earlier release.
    find "$root/dist" -mindepth 1 -maxdepth 1 -not -name hopspan.wasm -exec rm -rf -- {} +
    cargo_tool cargo-cyclonedx "$cargo_cyclonedx" 0.5.7
    step image "an image of the module in OCI's layout: dist/oci" build_image
    step read-back "read it back, layer by layer" read_image_back
    check_with_skopeo
    step sbom "what the module is made of: dist/hopspan.cdx.json" build_sbom "$tool"
    step others "schema, rules, dashboards, checksums" copy_others
    step complete "all that is promised is there, and is what its checksum says" judge_release
    printf '%-18s dist/ has version %s:\n' "" "$version"
    sed 's/^/                     /' "$root/dist/SHA256SUMS"
}

# The "compat" variant of wasm images, which Istio, Envoy Gateway and Higress pull: an image of
# OCI with one layer, and in it plugin.wasm.
# Spec: https://github.com/solo-io/wasm/blob/master/spec/spec-compat.md,
#       https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md
build_image() {
    local work layer diff config manifest
    work=$(mktemp -d)
    rm -rf -- "$image"
    mkdir -p -- "$image/blobs/sha256"
    cp -- "$module" "$work/plugin.wasm"
    tar --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0644 \
        -C "$work" -cf "$work/layer.tar" plugin.wasm
    diff=$(digest "$work/layer.tar")
    gzip -9n "$work/layer.tar"
    layer=$(blob "$work/layer.tar.gz" application/vnd.oci.image.layer.v1.tar+gzip)

    printf '{"architecture":"wasm","os":"wasip1","config":{},"rootfs":{"type":"layers","diff_ids":["%s"]}}' \
        "$diff" >"$work/config"
    config=$(blob "$work/config" application/vnd.oci.image.config.v1+json)

    local annotations='"org.opencontainers.image.title":"hopspan","org.opencontainers.image.version":"%s","org.opencontainers.image.licenses":"Apache-2.0"'
    # shellcheck disable=SC2059 # the format is ours
    annotations=$(printf "$annotations" "$version")
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s],"annotations":{%s}}' \
        "$config" "$layer" "$annotations" >"$work/manifest"
    manifest=$(blob "$work/manifest" application/vnd.oci.image.manifest.v1+json)

    # The tag, as tools for this layout know it.
    printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s,"annotations":{"org.opencontainers.image.ref.name":"%s"}}]}' \
        "${manifest%\}}" "$version" >"$image/index.json"
    printf '{"imageLayoutVersion":"1.0.0"}' >"$image/oci-layout"
    rm -rf -- "$work"
}

digest() {
    printf 'sha256:%s' "$(sha256sum <"$1" | cut -d ' ' -f 1)"
}

# Puts a file into the image, by its digest; prints its descriptor.
blob() {
    local name
    name=$(digest "$1")
    cp -- "$1" "$image/blobs/sha256/${name#sha256:}"
    printf '{"mediaType":"%s","digest":"%s","size":%d}' "$2" "$name" "$(($(wc -c <"$1")))"
}

# With nothing but what is in the image: each blob has the digest that names it, and the layer
# holds the module.
read_image_back() {
    local name
    for name in "$image"/blobs/sha256/*; do
        [[ $(digest "$name") == "sha256:${name##*/}" ]]
    done
    python3 - "$image" "$module" <<'PYTHON'
import gzip, io, json, pathlib, sys, tarfile

image, module = map(pathlib.Path, sys.argv[1:])
blob = lambda it: (image / "blobs" / it["digest"].replace(":", "/")).read_bytes()
[entry] = json.loads((image / "index.json").read_text())["manifests"]
manifest = json.loads(blob(entry))
[layer] = manifest["layers"]
assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip", layer
assert all(len(blob(it)) == it["size"] for it in (entry, layer, manifest["config"]))
with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layer)))) as tar:
    assert tar.getnames() == ["plugin.wasm"], tar.getnames()
    assert tar.extractfile("plugin.wasm").read() == module.read_bytes()
PYTHON
}

# And with a tool that copies images between registries, where it can be had: it checks all of it.
check_with_skopeo() {
    if ! type -P skopeo >/dev/null && ! can_install; then
        skip skopeo "no skopeo: $(remedy "" skopeo)"
        return
    fi
    type -P skopeo >/dev/null || packages "there is no skopeo to read the image with" "" skopeo
    step skopeo "skopeo reads the image, and finds the module in it" copy_with_skopeo
}

copy_with_skopeo() {
    local work layer
    work=$(mktemp -d)
    # It asks nobody whom to trust: this image has no signature yet.
    skopeo copy --insecure-policy "oci:$image:$version" "dir:$work"
    skopeo inspect "oci:$image:$version"
    layer=$(sed -nE 's/.*"layers":\[\{[^]]*"digest":"sha256:([0-9a-f]+)".*/\1/p' "$work/manifest.json")
    tar -xzOf "$work/$layer" plugin.wasm | cmp - "$module"
    rm -rf -- "$work"
}

# CycloneDX, of what is compiled into the module. Its random number and its time are taken out, and
# so is the directory.
build_sbom() {
    local made=$root/filter/hopspan.cdx.json
    "$1" cyclonedx --manifest-path "$root/filter/Cargo.toml" --format json --spec-version 1.5 \
        --target wasm32-wasip1 --no-build-deps --override-filename hopspan.cdx
    # It writes one beside each manifest of the workspace.
    mv -- "$made" "$target/sbom.json"
    find "$root" -path "$target" -prune -o -name hopspan.cdx.json -not -path "$root/dist/*" -exec rm -f -- {} +
    python3 - "$target/sbom.json" "$root" >"$root/dist/hopspan.cdx.json" <<'PYTHON'
import json, sys, urllib.parse

text, root = open(sys.argv[1]).read(), sys.argv[2]
for written in (root, urllib.parse.quote(root)):
    text = text.replace(written, "")
document = json.loads(text)
document.pop("serialNumber", None)
document["metadata"].pop("timestamp", None)
names = {it["name"] for it in document["components"]}
assert "hopspan-core" in names and "serde_json" in names, names
print(json.dumps(document, indent=1, sort_keys=True))
PYTHON
}

copy_others() {
    cp -- "$root/filter/schema.json" "$root/dist/hopspan.schema.json"
    cp -- "$root/examples/prometheus/"{hopspan.rules,services.rules}.yml "$root/examples/prometheus/stats_tags.yaml" "$root/dist/"
    mkdir -p -- "$root/dist/dashboards"
    cp -- "$root/examples/dashboards/"*.json "$root/dist/dashboards/"
    cd -- "$root/dist"
    local files
    files=$(find . -type f -not -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort)
    # shellcheck disable=SC2086 # names without spaces
    sha256sum -- $files >SHA256SUMS
}

# What CONTRIBUTING promises of a release, read back: nothing is missing, nothing came along, each file is what
# its checksum says, and what is JSON or YAML can be read.
judge_release() (
    cd -- "$root/dist"
    sha256sum --check --strict --quiet SHA256SUMS
    diff <(sed 's/^[0-9a-f]*  //' SHA256SUMS) <(find . -type f -not -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort)
    local file
    for file in hopspan.wasm hopspan.schema.json hopspan.cdx.json hopspan.rules.yml services.rules.yml stats_tags.yaml \
        oci/index.json oci/oci-layout; do
        [[ -s $file ]] || die "dist/$file is missing"
    done
    diff --recursive --exclude=README.md -- "$root/examples/dashboards" dashboards
    python3 - <<'PYTHON'
import json, pathlib

titles = [json.loads(it.read_text())["title"] for it in pathlib.Path("dashboards").iterdir()]
assert titles and len(set(titles)) == len(titles), titles
PYTHON
)
