//! Starts a plane with a real node and says how long it took.
use pilothouse_plane::{Plane, PlaneConfig, RealNode};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plane =
        Plane::start(PlaneConfig { nodes: vec![RealNode::new("real-1").into()], ..PlaneConfig::default() }).await?;
    println!("{:?} {:?} {}", plane.api_ready_after(), plane.usable_after(), plane.kubeconfig().display());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    plane.stop().await;
    Ok(())
}
