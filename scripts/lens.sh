# shellcheck shell=bash
# Lens: the program, and its page in a real browser.

word_lens() {
    word_browser
    step lens-build "build Lens" cargo build --locked --profile measure --package hopspan-lens
    cd -- "$called_from"
    exec "$target/measure/hopspan-lens" "$@"
}

word_page() {
    demo_ready
    use_chromium
    export HOPSPAN_CHROMIUM=$chromium
    step page "the page shows a person what the demo sent" within 300 \
        cargo test --locked --package hopspan-demo --test page -- --ignored
    printf '%-18s pictures of it: target/page/\n' ""
}

# Where no browser can be had, the rest of `test` still runs.
page_if_any() {
    if find_chromium || can_install; then
        word_page
    else
        skip page "no Chromium: $(remedy "" chromium)"
    fi
}

# Sets `chromium`: the user's own, or one of this system.
use_chromium() {
    find_chromium || packages "no Chromium to look at the page with" "" chromium
    find_chromium || die "there is no Chromium although it was installed; name one with HOPSPAN_CHROMIUM"
}

find_chromium() {
    chromium=${HOPSPAN_CHROMIUM:-$(type -P chromium || type -P chromium-browser || type -P google-chrome || true)}
    [[ -n $chromium ]]
}
