//! Configurations and VMs that come and go, and what outlives them.

use crate::guest::{guest, said, start, started};
use host_test::{Action, Headers, Module, Proxy};

fn callbacks(vm: &host_test::Vm) -> Vec<(&'static str, u32)> {
    let ran = vm.callbacks().into_iter();
    ran.filter_map(|it| Some((it.name.strip_prefix("proxy_on_")?, it.context))).collect()
}

fn ask(vm: &host_test::Vm) -> Action {
    vm.stream().request_headers(Headers::plain_get("/"), true)
}

/// Reads, then sets a shared value; takes an item from the queue, then puts one there.
fn remembering() -> Module {
    let remember = r#"
        (call $say (call $proxy_get_shared_data $"k" @out (i32.const 8)))
        (drop (call $proxy_set_shared_data $"k" $"v" (i32.const 0)))
        (drop (call $proxy_register_shared_queue $"q" (i32.const 8)))
        (call $say (call $proxy_dequeue_shared_queue (i32.load (i32.const 8)) @out))
        (drop (call $proxy_enqueue_shared_queue (i32.load (i32.const 8)) $"item"))
        (i32.const 0)"#;
    guest(&[("request_headers", remember), ("done", "(i32.const 0)")])
}

#[test]
fn what_vms_share_outlives_them_and_ends_with_their_vm_id() {
    let module = remembering();
    for (why, vm_id, vm_config, want) in
        [("another vm_config", "a", "b", ["00", "00"]), ("another vm_id", "b", "", ["01", "07"])]
    {
        let proxy = started(Proxy::builder(&module).vm_id("a"));
        ask(&proxy.worker(0));
        assert_eq!(said(&proxy), ["01", "07"], "{why}: nothing is there yet");
        proxy.set_vm_config(vm_id, vm_config);
        proxy.replace(&module, "").unwrap();
        proxy.drained();
        ask(&proxy.worker(0));
        assert_eq!(said(&proxy)[2..], want, "{why}");
        proxy.set_vm_config("a", "c");
        proxy.replace(&module, "").unwrap();
        ask(&proxy.worker(0));
        assert_eq!(said(&proxy)[4..], want, "{why}: and back");
    }
}

#[test]
fn tests_see_the_queues_of_the_present_vm_id() {
    let module = remembering();
    let proxy = started(Proxy::builder(&module).vm_id("a"));
    ask(&proxy.worker(0));
    assert!(proxy.enqueue("q", "ours"));
    assert_eq!(proxy.queues(), [(b"q".to_vec(), vec![b"item".to_vec(), b"ours".to_vec()])].into());
    proxy.set_vm_config("b", "");
    proxy.replace(&module, "").unwrap();
    assert!(proxy.queues().is_empty() && !proxy.enqueue("q", "ours"), "of another vm_id");
}

/// Their root contexts are beside each other in one VM, which lives as long as one does.
#[test]
fn a_vm_dies_with_its_last_plugin_whatever_that_waits_for() {
    let module = guest(&[("done", "(i32.const 0)"), ("request_headers", "(i32.const 0)")]);
    let proxy = started(Proxy::builder(&module).plugin_config("first"));
    let second = proxy.add_plugin("second").unwrap();
    let worker = proxy.worker(0);
    proxy.remove(&second);
    assert_eq!(callbacks(&worker).last(), Some(&("done", 3)), "the second");
    assert_eq!(ask(&worker), Action::Continue, "the first works");
    proxy.remove_first();
    assert_eq!(callbacks(&worker).last(), Some(&("done", 2)));
    assert_eq!(ask(&worker), Action::Failed, "proxy_done will never be said");
    assert!(proxy.vms().is_empty());

    let proxy = started(Proxy::builder(&module).plugin_config("first"));
    let second = proxy.add_plugin("second").unwrap();
    let worker = proxy.worker(0);
    proxy.replace(&module, "third").unwrap();
    proxy.drained();
    assert_eq!(callbacks(&worker).last(), Some(&("done", 2)), "the first is in another VM now");
    let stream = worker.stream_of(&second);
    assert_eq!(stream.request_headers(Headers::plain_get("/"), true), Action::Continue);
    assert_eq!(proxy.vms().len(), 4, "main and worker, old and new");
    proxy.remove(&second);
    assert_eq!(proxy.vms().len(), 2);
}

#[test]
fn a_configuration_that_still_drains_serves_again_without_hearing_of_it() {
    let configured = "(call $say (local.get $id)) (i32.const 1)";
    let module = guest(&[("configure", configured), ("done", "(i32.const 1)")]);
    let proxy = started(Proxy::builder(&module).plugin_config("old"));
    proxy.reconfigure("new").unwrap();
    assert_eq!(said(&proxy), ["01", "02", "02", "01", "03", "03"], "each time a canary first");
    proxy.reconfigure("old").unwrap();
    assert_eq!(said(&proxy).len(), 6);
    proxy.drained();
    assert_eq!(callbacks(&proxy.worker(0)).last(), Some(&("done", 3)), "the new one ended");
    proxy.reconfigure("new").unwrap();
    assert_eq!(said(&proxy)[6..], ["04", "04"], "which begins anew, but no canary tries it again");
}

#[test]
fn plugins_have_names_of_their_own() {
    let name =
        r#"(drop (call $proxy_get_property $"plugin_name" @out)) (call $show) (i32.const 0)"#;
    let proxy = start(&guest(&[("request_headers", name)]));
    let [second, third] =
        [proxy.add_plugin_named("second", "").unwrap(), proxy.add_plugin("as the first").unwrap()];
    let worker = proxy.worker(0);
    for stream in [worker.stream(), worker.stream_of(&second), worker.stream_of(&third)] {
        stream.request_headers(Headers::plain_get("/"), true);
    }
    assert_eq!(said(&proxy), ["test", "second", "test"]);
}

#[test]
fn at_its_exit_the_proxy_waits_for_nobody() {
    let done = "(call $say (local.get $id)) (i32.const 0)";
    let module = guest(&[("done", done), ("request_headers", "(i32.const 0)")]);
    let proxy = started(Proxy::builder(&module).workers(2));
    proxy.exit();
    let lines: Vec<_> = proxy.log().iter().map(|it| it.vm.to_string()).collect();
    assert_eq!(lines, ["worker 0", "worker 1", "main"]);
    assert_eq!(ask(&proxy.worker(1)), Action::Failed);
}
