//! The playground: the filter's own answer, inside the browser.

use std::path::Path;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::cases::{self, Case, Want};
use crate::said::said;

/// What nobody but the person who pasted it may ever see.
const SECRET: &str = "s3cr3t-t0ken";

/// The page does what the command and the module do.
pub(crate) async fn agrees_with_the_filter(browser: &mut Browser, page: &str) {
    browser.open(&format!("{page}/playground")).await;
    for case in cases::all() {
        let question = question(&case);
        let asked = format!("import('/explain.js').then((it) => it.explain({question}))");
        let answer = browser.value(&asked).await;
        let got = match answer["problems"].as_array() {
            Some(problems) => {
                let path = |it: &Value| it["path"].as_str().unwrap().to_owned();
                let mut paths: Vec<_> = problems.iter().map(path).collect();
                paths.sort();
                Want::Refused(paths)
            }
            None => said(&case, &answer["explanation"]),
        };
        assert_eq!(got, case.want, "{}: {answer}", case.why);
    }
}

/// A case as a person would type it.
fn question(case: &Case) -> Value {
    let known = |name: &str| {
        let found = case.known.iter().find(|(it, _)| it == name);
        found.map_or("", |(_, value)| value)
    };
    let mut lines = Vec::new();
    for (header, name) in [(":method", "method"), (":authority", "host"), (":path", "path")] {
        if !known(name).is_empty() {
            lines.push(format!("{header}: {}", known(name)));
        }
    }
    lines.extend(case.headers.iter().cloned());
    json!({
        "config": case.config, "request": lines.join("\n"), "direction": known("direction"),
        "source": known("source"), "peer": known("peer"),
    })
}

/// What a person sees of it, and that nothing of what they paste leaves the page.
pub(crate) async fn answers_in_the_page(browser: &mut Browser, page: &str, shots: &Path) {
    browser.open(page).await;
    browser.press("4", "4").await;
    browser.until("location.pathname === '/playground'").await;
    browser.ready().await;
    let text = browser.text().await;
    for want in ["traceparent", "changed", "sampling.ratio keeps 0.1 of the traces", "Find a key"] {
        assert!(text.contains(want), "{want} is not in the playground: {text}");
    }
    browser.screenshot(&shots.join("playground.png")).await;

    let before = browser.requests.len();
    type_into(browser, "request", &format!("b3: d\nauthorization: {SECRET}")).await;
    browser.until("document.querySelector('.answer').innerText.includes('b3: ')").await;
    type_into(browser, "source", "nowhere").await;
    browser.until("document.querySelector('.answer').innerText.includes('an address is')").await;
    assert_eq!(browser.value("document.querySelector('[name=source]').ariaInvalid").await, "true");
    type_into(browser, "source", "").await;

    // What is wrong, where, and what the key is for.
    type_into(browser, "config", "{ \"sampling\": {\n  \"ratio\": 50 } }").await;
    browser
        .until("document.querySelector('.answer .place')?.textContent === 'sampling.ratio'")
        .await;
    let text = browser.value("document.querySelector('.answer').innerText").await;
    let share = "The share of new traces that is kept";
    assert!(text.as_str().unwrap().contains(share), "{text}");
    browser.screenshot(&shots.join("playground-problem.png")).await;
    browser.value("document.querySelector('.answer .place').click()").await;
    let chosen = "(() => { const it = document.querySelector('[name=config]'); return it.value.slice(it.selectionStart, it.selectionEnd).trim(); })()";
    assert_eq!(browser.value(chosen).await, "\"ratio\": 50");
    let about = browser.value("document.querySelector('.about').innerText").await;
    assert!(about.as_str().unwrap().contains(share), "{about}");

    // A key is found by a word of its description.
    let find = "(() => { const it = document.querySelector('.find-key input'); it.value = 'share new traces'; it.dispatchEvent(new InputEvent('input', { bubbles: true })); return [...document.querySelectorAll('.schema .key')].map((it) => it.dataset.path); })()";
    assert_eq!(browser.value(find).await, json!(["sampling.ratio", "sampling.rules"]));

    // The footer goes on saying how much is kept.
    let status = format!("{page}/api/status?");
    let asked: Vec<&String> =
        browser.requests[before..].iter().filter(|it| **it != status).collect();
    assert!(asked.is_empty(), "what is typed stays in the page: {asked:?}");
    let address = browser.value("location.href").await;
    assert!(!address.as_str().unwrap().contains(SECRET), "{address}");

    // Only who asks for it has it in the address, in the part that browsers do not send.
    browser.value("document.querySelector('.link button').click()").await;
    let address = browser.value("location.href").await;
    let address = address.as_str().unwrap().to_owned();
    assert!(address.split_once('#').is_some_and(|(_, kept)| kept.contains(SECRET)), "{address}");
    browser.open(page).await;
    browser.open(&address).await;
    assert_eq!(
        browser.value("document.querySelector('[name=request]').value.split('\\n')[0]").await,
        "b3: d"
    );
    browser.until("document.querySelector('.answer .place')").await;
    let sent = browser.requests.iter().any(|it| it.split('#').next().unwrap().contains(SECRET));
    assert!(!sent, "{:?}", browser.requests);
}

async fn type_into(browser: &mut Browser, field: &str, text: &str) {
    let text = Value::from(text);
    let typed = format!(
        "(() => {{ const it = document.querySelector('.play [name={field}]'); it.value = {text}; it.dispatchEvent(new InputEvent('input', {{ bubbles: true }})); }})()"
    );
    browser.value(&typed).await;
}
