//! The ways to API servers and to charts: proxies, private repositories and registries.

use crate::support::{World, fake_helm, helm, plane};
use pilothouse_plane::provision::Tool;
use std::io::{Read, Write};
use std::net::TcpListener;

/// Nothing listens there.
const NOBODY: &str = "http://me:hush-hush@127.0.0.1:9";

const STACK: &str = "version: 1\nname: ways\nreleases: [{ name: a, namespace: ways, chart: { path: CHARTS/data } }]\n";

#[test]
fn no_proxy_leads_to_this_machine_itself() {
    let world = World::with_stack(STACK);
    for except in ["", "example.com,", "a b"] {
        let mut command = world.on_plane(&["status"]);
        command.env("HTTPS_PROXY", NOBODY).env("NO_PROXY", except);
        let told = world.transcript(&mut command);
        assert!(told.contains("not installed"), "NO_PROXY={except}: {told}");
    }
}

#[test]
fn a_proxy_that_does_not_answer_is_named() {
    let world = World::with_stack(STACK);
    let elsewhere = "https://api.example.com:6443";
    let kubeconfig = std::fs::read_to_string(plane().kubeconfig()).unwrap();
    let config = world.write("config", &kubeconfig.replace(&plane().url(), elsewhere));
    let told = |variables: &[(&str, &str)]| {
        let mut command = world.program(&["status"]);
        command.env("KUBECONFIG", &config).env_remove("NO_PROXY").envs(variables.iter().copied());
        world.transcript(&mut command)
    };
    let error = told(&[("HTTPS_PROXY", NOBODY)]);
    let named = "no connection to https://api.example.com:6443 through the proxy http://***@127.0.0.1:9/ (HTTPS_PROXY)";
    assert!(error.contains(named) && error.contains("exit code: 2") && !error.contains("hush"), "{error}");
    let error = told(&[("HTTPS_PROXY", NOBODY), ("NO_PROXY", "api.example.com:6443")]);
    assert!(error.contains("no connection to https://api.example.com:6443\n"), "{error}");
}

/// A repository that lets in whoever has this header, with a chart `priv`, which the archive holds.
fn private_repository(archive: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut part = [0; 4096];
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(read) if read > 0 => request.extend(&part[..read]),
                    _ => break,
                }
            }
            let request = String::from_utf8_lossy(&request).to_lowercase();
            let index =
                b"apiVersion: v1\nentries: { priv: [{ name: priv, version: 1.0.0, urls: [priv-1.0.0.tgz] }] }\n";
            // reader:letmein
            let (status, body): (_, &[u8]) = match request.split(' ').nth(1) {
                _ if !request.contains("authorization: basic cmvhzgvyomxldg1laW4=".to_lowercase().as_str()) => {
                    ("401 Unauthorized", b"")
                }
                Some("/index.yaml") => ("200 OK", index),
                Some("/priv-1.0.0.tgz") => ("200 OK", &archive),
                _ => ("404 Not Found", b""),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
        }
    });
    url
}

#[test]
fn a_private_repository_is_reached_as_helm_reaches_it() {
    let world = World::new();
    world.write("priv/Chart.yaml", "apiVersion: v2\nname: priv\nversion: 1.0.0\n");
    world.write("priv/templates/a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n");
    let packed =
        std::process::Command::new("tar").args(["-czf", "priv.tgz", "priv"]).current_dir(world.path("")).status();
    assert!(packed.unwrap().success());
    let url = private_repository(std::fs::read(world.path("priv.tgz")).unwrap());
    world.write(
        "pilothouse.yaml",
        &format!("version: 1\nname: ways\nreleases: [{{ name: a, namespace: ways, chart: {{ repo: '{url}', name: priv, version: 1.0.0 }} }}]\n"),
    );
    let lint = |variables: &[(&str, std::path::PathBuf)]| {
        let mut command = world.program(&["lint"]);
        for name in ["HELM_REPOSITORY_CONFIG", "HELM_CONFIG_HOME", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command.env("HOME", world.path("nobody")).env("PILOTHOUSE_CACHE", world.path("cache"));
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        world.transcript(&mut command).replace(&url, "URL")
    };
    let refused = lint(&[]);
    insta::assert_snapshot!(refused, @r#"
    exit code: 2
    ----- stdout -----
    ways/a: wrong
      CHART_ACCESS_DENIED priv from URL (1.0.0): the repository or registry of priv from URL (1.0.0) refuses access: no credentials, or others than it wants: helm pull failed: looks like "URL" is not a valid chart repository or cannot be reached: failed to fetch URL/index.yaml : 401 Unauthorized
      hint: log in as for helm: `helm repo add NAME URL --username USER`, or `helm registry login HOST`; helm's repositories.yaml and registry/config.json and docker's config.json are read
    "#);
    // As helm itself writes it, in each of the places where helm looks for it.
    let add = |config: &std::path::Path| {
        let mut command = std::process::Command::new(helm(Tool::Helm4));
        command.args(["repo", "add", "mine", &url, "--username", "reader", "--password", "letmein"]);
        command.env("HELM_REPOSITORY_CONFIG", config).env("HELM_REPOSITORY_CACHE", world.path("helm-cache"));
        assert!(command.output().unwrap().status.success());
    };
    add(&world.path("one.yaml"));
    add(&world.path("home/.config/helm/repositories.yaml"));
    for variables in [
        ("HELM_REPOSITORY_CONFIG", world.path("one.yaml")),
        ("HELM_CONFIG_HOME", world.path("home/.config/helm")),
        ("XDG_CONFIG_HOME", world.path("home/.config")),
        ("HOME", world.path("home")),
    ] {
        assert_eq!(
            lint(std::slice::from_ref(&variables)),
            "exit code: 0\n----- stdout -----\nways/a: ok",
            "{variables:?}"
        );
    }
}

/// The helm of this test only writes down which configuration of registries it was given.
#[test]
fn helm_gets_the_registry_configuration_of_the_user() {
    let world = World::with_stack(
        "version: 1\nname: ways\nreleases: [{ name: a, namespace: ways, chart: { oci: 'oci://registry.example.com/a', version: 1.0.0 } }]\n",
    );
    let script = "v4.2.4'; echo \"$1 $HELM_REGISTRY_CONFIG\" >> \"$SEEN\"; [ \"$1\" = version ] || exit 1; : '";
    let program = fake_helm(&world, script);
    let seen = |variables: &[(&str, &str)]| {
        let _ = std::fs::remove_file(world.path("seen"));
        let mut command = world.program(&["lint"]);
        for name in ["HELM_REGISTRY_CONFIG", "HELM_CONFIG_HOME", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command.env("HOME", "/home/me").env("PILOTHOUSE_HELM", &program).env("SEEN", world.path("seen"));
        command.env("PILOTHOUSE_CACHE", world.path("cache")).envs(variables.iter().copied()).output().unwrap();
        let seen = std::fs::read_to_string(world.path("seen")).unwrap();
        seen.lines().find_map(|line| line.strip_prefix("pull ").map(str::to_owned)).unwrap()
    };
    assert_eq!(seen(&[]), "/home/me/.config/helm/registry/config.json");
    assert_eq!(seen(&[("XDG_CONFIG_HOME", "/x")]), "/x/helm/registry/config.json");
    assert_eq!(seen(&[("HELM_CONFIG_HOME", "/h")]), "/h/registry/config.json");
    assert_eq!(seen(&[("HELM_CONFIG_HOME", "/h"), ("HELM_REGISTRY_CONFIG", "/r.json")]), "/r.json");
}
