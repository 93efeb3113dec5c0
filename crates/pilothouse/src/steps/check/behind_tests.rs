//! Whatever a check asks, the trouble behind it is told.

use crate::context::ReportedCauses;
use crate::helm::HelmDriver;
use crate::steps::check::Check;
use crate::test_world::{comes_and_goes, fake};
use pilothouse_core::{
    AssertCheck, AssertOf, CheckKind, CheckStep, CheckTerms, Endpoint, ExecCheck, HelmTestCheck, HttpCheck, HttpExpect,
    ObjectRef, PortRef, PrometheusCheck, Quantity, TcpCheck,
};
use rstest::rstest;

fn service() -> Endpoint {
    Endpoint::Service { service: "web".to_owned(), port: PortRef::Number(80) }
}

fn http(endpoint: Endpoint) -> CheckKind {
    CheckKind::Http(HttpCheck {
        endpoint,
        tls: None,
        path: "/".to_owned(),
        method: "GET".to_owned(),
        headers: Vec::new(),
        body: None,
        expect: HttpExpect::default(),
    })
}

fn assert(of: AssertOf) -> CheckKind {
    CheckKind::Assert(AssertCheck { of, that: "object.metadata.name == 'another'".to_owned() })
}

fn pods() -> AssertOf {
    let labels = [("app".to_owned(), "web".to_owned())].into();
    AssertOf::Several { kind: "Pod".to_owned(), namespace: None, labels, quantity: Quantity::All }
}

fn the(object: &str) -> ObjectRef {
    ObjectRef::parse(object).unwrap()
}

#[rstest]
#[case::http(http(service()))]
#[case::tcp(CheckKind::Tcp(TcpCheck { endpoint: service() }))]
#[case::of_a_pod(CheckKind::Tcp(TcpCheck { endpoint: Endpoint::Pod { pod: "web-1-a".to_owned(), port: PortRef::Number(80) } }))]
#[case::from_outside(http(Endpoint::Address { host: "127.0.0.1".to_owned(), port: 1 }))]
#[case::prometheus(CheckKind::Prometheus(PrometheusCheck {
    endpoint: service(), tls: None, path_prefix: String::new(), headers: Vec::new(), query: "up".to_owned(), expect: "> 0".to_owned(),
}))]
#[case::exec(CheckKind::Exec(ExecCheck {
    target: the("Deployment/web"), container: None, command: vec!["true".to_owned()], exit_code: 0, stdout_contains: None,
}))]
#[case::of_an_object(assert(AssertOf::Object(the("Deployment/default/web"))))]
#[case::of_pods(assert(pods()))]
#[tokio::test]
async fn the_pods_behind_a_check_that_fails_are_told(#[case] kind: CheckKind) {
    let cluster = comes_and_goes();
    let world = fake(&cluster, HelmDriver::Secret);
    let terms = CheckTerms { timeout_in_seconds: 1, ..CheckTerms::default() };
    let mut known = ReportedCauses::default();
    let failing = Check { step: CheckStep { terms: terms.clone(), kind: kind.clone() }, name: None };
    assert!(failing.judged(&world.ctx, None, &mut known).await.is_err());
    let told: Vec<(String, String)> = known.of_others(&[]).into_iter().map(|cause| (cause.code, cause.root)).collect();
    assert_eq!(told, [("CRASH_LOOP".to_owned(), "Deployment default/web container web".to_owned())]);

    // Of what must fail and does, there is nothing to tell; and what holds is not looked into.
    let mut known = ReportedCauses::default();
    let terms = CheckTerms { must_fail: true, ..terms };
    let _ = Check { step: CheckStep { terms, kind }, name: None }.judged(&world.ctx, None, &mut known).await;
    assert!(known.of_others(&[]).is_empty());
}

#[tokio::test]
async fn a_check_of_nothing_in_the_cluster_looks_at_the_release() {
    let cluster = comes_and_goes();
    let world = fake(&cluster, HelmDriver::Secret);
    let objects = super::of(&world.ctx, &CheckKind::HelmTest(HelmTestCheck::default())).await;
    assert!(objects.is_empty(), "the chart has no tests: {objects:?}");
    let outside = http(Endpoint::Address { host: "127.0.0.1".to_owned(), port: 1 });
    let objects = super::of(&world.ctx, &outside).await;
    assert_eq!(objects.iter().map(ToString::to_string).collect::<Vec<_>>(), ["Deployment default/web"]);
}
