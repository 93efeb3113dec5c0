//! Obtains every program a plane and a release need, and says in a table what was found or got.
//!
//! ```text
//! cargo run -p pilothouse-plane --example install -- FOLDER [TOOL...]
//! ```
//! Without a tool: all of them. `PILOTHOUSE_NO_DOWNLOAD` set to anything builds without asking the network first.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::disallowed_methods)]

use pilothouse_plane::provision::{Installed, ProvisionConfig, ProvisionEvent, Provisioner, Tool};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("the folder to install into is missing")?;
    let names: Vec<String> = args.collect();
    let tools: Vec<Tool> =
        Tool::ALL.into_iter().filter(|tool| names.is_empty() || names.iter().any(|name| name == tool.name())).collect();
    let mut config = ProvisionConfig::new(folder);
    config.base_env = std::env::vars_os().collect();
    config.allow_download = std::env::var_os("PILOTHOUSE_NO_DOWNLOAD").is_none();
    let path = std::env::var_os("PATH").unwrap_or_default();
    config.go = std::env::split_paths(&path).map(|folder| folder.join("go")).find(|go| go.is_file());

    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            stop.cancel();
        }
    });
    let (begun, told) = (Instant::now(), Mutex::new(Instant::now()));
    let obtained = Provisioner::new(config).obtain(&tools, |event| tell(event, &told), &cancel).await?;
    println!("{} programs in {:.3?}", obtained.iter().count(), begun.elapsed());
    println!("{:24} {:10} {:>9}  {:42} PATH", "PROGRAM", "VERSION", "SIZE", "SOURCE");
    for Installed { tool, version, size_bytes, source, path, .. } in obtained.iter() {
        println!("{tool:24} {version:10} {:>6} MB  {source:42} {}", size_bytes / 1_000_000, path.display());
    }
    Ok(())
}

/// Prints what happens; what goes on, at most every two seconds.
fn tell(event: ProvisionEvent, told: &Mutex<Instant>) {
    let often = matches!(event, ProvisionEvent::Downloading { .. } | ProvisionEvent::Building { .. });
    if let Ok(mut told) = told.lock() {
        if often && told.elapsed() < Duration::from_secs(2) {
            return;
        }
        *told = Instant::now();
    }
    match event {
        ProvisionEvent::Looking { tool } => eprintln!("{tool}: looking"),
        ProvisionEvent::Found(Installed { tool, path, .. }) => eprintln!("{tool}: found {}", path.display()),
        ProvisionEvent::Ready(Installed { tool, source, .. }) => eprintln!("{tool}: {source}"),
        ProvisionEvent::PassedOver { tool, path, why } => eprintln!("{tool}: not {}: {why}", path.display()),
        ProvisionEvent::Discarded { tool, path, why } => eprintln!("{tool}: removes {}: {why}", path.display()),
        ProvisionEvent::Waiting { tool } => eprintln!("{tool}: waiting for another installation of it"),
        ProvisionEvent::Downloading { tool, url, done, total } => {
            eprintln!("{tool}: {done} of {} bytes from {url}", total.map_or("?".to_owned(), |n| n.to_string()));
        }
        ProvisionEvent::Building { tool, progress: p } => {
            let (secs, most) = (p.elapsed.as_secs(), p.packages_at_most);
            eprintln!("{tool}: {secs} s, {} modules fetched, {} of {most} packages, {}", p.modules, p.packages, p.last);
        }
        ProvisionEvent::FallingBack { tool, from, why } => eprintln!("{tool}: no {from}: {why}"),
    }
}
