use super::*;
use serde_json::Value;

const CA: &str = "
apiVersion: v1
kind: Config
clusters:
  - { name: a, cluster: { server: 'https://ada:hush@a.example.com:6443', certificate-authority: certs/ca.pem } }
  - { name: b, cluster: { server: 'https://b.example.com', certificate-authority: nowhere.pem, certificate-authority-data: Qg== } }
users:
  - { name: keys, user: { client-certificate: certs/client.pem, client-key: certs/client.key, client-key-data: '' } }
  - { name: token, user: { tokenFile: run/token } }
  - { name: plugin, user: { exec: { apiVersion: client.authentication.k8s.io/v1, command: ./bin/login, interactiveMode: Never } } }
  - { name: on-path, user: { exec: { apiVersion: client.authentication.k8s.io/v1, command: aws, args: [eks], interactiveMode: Never } } }
contexts:
  - { name: a, context: { cluster: a, user: keys, namespace: shop } }
  - { name: 'on', context: { cluster: b, user: token } }
  - { name: plugin, context: { cluster: b, user: plugin } }
  - { name: path, context: { cluster: b, user: on-path } }
  - { name: nobody, context: { cluster: b, user: nobody } }
  - { name: anonymous, context: { cluster: b, user: '' } }
current-context: a
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("certs")).unwrap();
    for name in ["ca.pem", "client.pem", "client.key"] {
        std::fs::write(folder.path().join("certs").join(name), name).unwrap();
    }
    std::fs::write(folder.path().join("config"), CA).unwrap();
    folder
}

/// What is left of a context, read again, with FOLDER for the folder.
fn left(folder: &Path, files: &[PathBuf], context: &str) -> Result<Value, String> {
    let kubeconfig = minified(read(files).map_err(|error| error.to_string())?, context)?;
    let text = access(&kubeconfig)?.kubeconfig().expose().replace(&folder.display().to_string(), "FOLDER");
    let again = Kubeconfig::from_yaml(&text).map_err(|error| error.to_string())?;
    Ok(serde_json::to_value(again).unwrap())
}

fn user_of(context: &str) -> Result<Value, String> {
    let folder = folder();
    let left = left(folder.path(), &[folder.path().join("config")], context)?;
    assert_eq!(left["current-context"], context);
    for list in ["clusters", "contexts"] {
        assert_eq!(left[list].as_array().map(Vec::len), Some(1), "{left:#}");
    }
    Ok(left["users"][0]["user"].clone())
}

#[test]
fn certificates_and_keys_are_in_it() {
    let folder = folder();
    let left = left(folder.path(), &[folder.path().join("config")], "a").unwrap();
    let encoded = |text: &str| Value::from(STANDARD.encode(text));
    assert_eq!(left["clusters"][0]["cluster"]["certificate-authority-data"], encoded("ca.pem"));
    assert_eq!(left["clusters"][0]["cluster"]["certificate-authority"], Value::Null);
    assert_eq!(left["users"][0]["user"]["client-certificate-data"], encoded("client.pem"));
    assert_eq!(left["users"][0]["user"]["client-key-data"], encoded("client.key"));
    assert_eq!(left["contexts"][0]["context"]["namespace"], "shop");
}

#[test]
fn other_files_are_named_by_absolute_paths() {
    assert_eq!(user_of("on").unwrap()["tokenFile"], "FOLDER/run/token");
    assert_eq!(user_of("plugin").unwrap()["exec"]["command"], "FOLDER/./bin/login");
    // Looked for on the PATH.
    assert_eq!(user_of("path").unwrap()["exec"]["command"], "aws");
}

#[test]
fn what_a_context_names_must_be_there() {
    assert_eq!(user_of("nobody").unwrap_err(), "failed to load the user of context: nobody");
    assert_eq!(user_of("anonymous").unwrap(), Value::Null);
    let folder = folder();
    std::fs::remove_file(folder.path().join("certs/client.key")).unwrap();
    let error = left(folder.path(), &[folder.path().join("config")], "a").unwrap_err();
    assert!(error.ends_with("certs/client.key cannot be read: No such file or directory (os error 2)"), "{error}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "what is relative is so to this folder")]
fn a_relative_path_is_one_of_the_current_folder() {
    let here = std::env::current_dir().unwrap();
    let folder = tempfile::tempdir_in(&here).unwrap();
    std::fs::write(folder.path().join("config"), CA).unwrap();
    let relative = folder.path().strip_prefix(&here).unwrap().join("config");
    let left = left(folder.path(), &[relative], "on").unwrap();
    assert_eq!(left["users"][0]["user"]["tokenFile"], "FOLDER/run/token");
}

#[test]
fn of_several_files_the_first_that_says_something_wins() {
    let folder = folder();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let none = write("none", "current-context: ''\n");
    let other = write(
        "other",
        "clusters: [{ name: b, cluster: { server: 'https://other.example.com' } }]\ncurrent-context: 'on'\n",
    );
    let files = [folder.path().join("missing"), none, other, folder.path().join("config")];
    let merged = read(&files).unwrap();
    assert_eq!(merged.current_context.as_deref(), Some("on"));
    let left = left(folder.path(), &files, "on").unwrap();
    assert_eq!(left["clusters"][0]["cluster"]["server"], "https://other.example.com");
    let error = read(&files[..1]).unwrap_err();
    assert!(matches!(error, ConnectError::Read { .. }), "{error:?}");
}

/// Commands of steps look into it with whatever they have.
#[test]
fn its_current_context_is_a_line_and_every_reader_of_yaml_takes_names_as_text() {
    let folder = folder();
    let read = || read(&[folder.path().join("config")]).unwrap();
    let text = access(&minified(read(), "plugin").unwrap()).unwrap().kubeconfig().expose().clone();
    assert!(text.lines().any(|line| line == "current-context: plugin"), "{text}");
    let text = access(&minified(read(), "on").unwrap()).unwrap().kubeconfig().expose().clone();
    assert!(!text.lines().any(|line| line == "current-context: on"), "{text}");
}

#[test]
fn the_context_shows_no_password() {
    let folder = folder();
    let access = access(&minified(read(&[folder.path().join("config")]).unwrap(), "a").unwrap()).unwrap();
    assert_eq!(access.context().to_string(), "context a (https://***@a.example.com:6443, user keys)");
    assert!(!format!("{access:?}").contains("hush"));
}

#[test]
fn a_pod_has_files_that_are_replaced() {
    let access = in_cluster("https://kubernetes.default.svc/", "shop", "/run/token", "/run/ca.crt").unwrap();
    assert_eq!(access.context().to_string(), "service account of the pod (https://kubernetes.default.svc/)");
    let written = Kubeconfig::from_yaml(access.kubeconfig().expose()).unwrap();
    assert_eq!(written.current_context.as_deref(), Some("in-cluster"));
    assert_eq!(written.auth_infos[0].auth_info.as_ref().unwrap().token_file.as_deref(), Some("/run/token"));
    let cluster = written.clusters[0].cluster.as_ref().unwrap();
    assert_eq!(cluster.certificate_authority.as_deref(), Some("/run/ca.crt"));
    assert_eq!(cluster.certificate_authority_data, None);
}
