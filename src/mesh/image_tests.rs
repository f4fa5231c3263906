//! Vendors' images (`spec/istio.md` §2.4) and how images differ (§2.3).

use super::{ImageName, image_drifts};

/// Images as vendors publish them, with what they tell: version (`-` is none) and variant.
const VENDORS: &str = "
docker.io/istio/proxyv2:1.24.3                                  1.24.3              default
docker.io/istio/proxyv2:1.24.3-distroless                       1.24.3              distroless
docker.io/istio/proxyv2:1.24.3-debug                            1.24.3              debug
istio/proxyv2:1.24.3                                            1.24.3              default
gcr.io/istio-release/proxyv2:1.24.3                             1.24.3              default
registry.istio.io/release/proxyv2:1.30.2                        1.30.2              default
registry.istio.io/testing/proxyv2:1.32.0-alpha.0f2c41           1.32.0-alpha.0f2c41 default
gcr.io/istio-testing/proxyv2:latest                             -                   default
gcr.io/istio-testing/proxyv2:1.29-dev                           1.29-dev            default
mcr.microsoft.com/oss/istio/proxyv2:1.25.3-distroless           1.25.3              distroless
mcr.microsoft.com/oss/v2/istio/proxyv2:v1.27.7-1                1.27.7-1            default
mcr.microsoft.com/oss/v2/istio/proxyv2-fips:v1.26.4-1           1.26.4-1            proxyv2-fips
europe-docker.pkg.dev/kyma-project/prod/external/istio/proxyv2:1.30.2-distroless 1.30.2 distroless
gcr.io/gke-release/asm/proxyv2:1.21.6-asm.19                    1.21.6-asm.19       default
gke.gcr.io/asm/proxyv2:1.28.5-asm.9-distroless                  1.28.5-asm.9        distroless
gcr.io/gke-on-prem-release/asm/proxyv2:1.13.2-asm.2-distroless  1.13.2-asm.2        distroless
registry.redhat.io/openshift-service-mesh/istio-proxyv2-rhel9@sha256:0f2c - istio-proxyv2-rhel9
registry.redhat.io/openshift-service-mesh/proxyv2-rhel8:2.6.1   -                   proxyv2-rhel8
registry-vpc.cn-hangzhou.aliyuncs.com/acs/proxyv2:v1.14.3.47-ga31201346f-aliyun 1.14.3.47-ga31201346f-aliyun default
registry.cn-hangzhou.aliyuncs.com/acs/proxyv2:1.8.6             1.8.6               default
x.example/proxyv2:1.24.3-tetrate-v2                             1.24.3-tetrate-v2   default
x.example/proxyv2:1.24.3-solo-fips-distroless                   1.24.3-solo         fips-distroless
harbor.corp/istio/proxyv2:1.24.3@sha256:0f2c                    1.24.3              default
localhost:5000/proxyv2:1.24.3                                   1.24.3              default
proxyv2                                                         -                   default
";

#[test]
fn every_vendors_image_tells_its_version() {
    for row in VENDORS.lines().filter(|row| !row.is_empty()) {
        let cells: Vec<&str> = row.split_whitespace().collect();
        let [image, version, variant] = cells.as_slice() else {
            panic!("{row}");
        };
        let parsed = ImageName::parse(image);
        let found = parsed.version().map(|version| version.to_string());
        assert_eq!(found.as_deref().unwrap_or("-"), *version, "{image}");
        assert_eq!(parsed.variant(), *variant, "{image}");
    }
}

/// Drift codes with what they show, one a line.
#[track_caller]
fn differ(observed: &str, expected: &str, drifts: &[&str]) {
    let found: Vec<String> = image_drifts(observed, expected)
        .into_iter()
        .map(|drift| {
            format!(
                "{} {}: {} -> {}",
                drift.class, drift.code, drift.observed, drift.expected
            )
        })
        .collect();
    assert_eq!(found, drifts, "{observed} {expected}");
}

#[test]
fn docker_hubs_short_forms_are_the_same_image() {
    for short in ["istio/proxyv2:1", "index.docker.io/istio/proxyv2:1"] {
        differ(short, "docker.io/istio/proxyv2:1", &[]);
    }
    differ("proxyv2:1", "docker.io/library/proxyv2:1", &[]);
}

#[test]
fn differences_are_told_apart() {
    differ(
        "docker.io/istio/proxyv2:1.30.3",
        "docker.io/istio/proxyv2:1.30.4",
        &["version proxy-version-differs: 1.30.3 -> 1.30.4"],
    );
    differ(
        "gcr.io/istio-release/proxyv2:1.30.3",
        "registry.istio.io/release/proxyv2:1.30.3",
        &["registry proxy-registry-differs: gcr.io/istio-release -> registry.istio.io/release"],
    );
    differ(
        "docker.io/istio/proxyv2:1.30.3",
        "docker.io/istio/proxyv2:1.30.3-distroless",
        &["variant proxy-variant-differs: default -> distroless"],
    );
    differ(
        "x.example/proxyv2:1.30.3",
        "x.example/proxyv2-fips:1.30.3",
        &["variant proxy-variant-differs: default -> proxyv2-fips"],
    );
    differ(
        "gcr.io/istio-release/proxyv2:1.29.0-debug",
        "registry.istio.io/release/proxyv2:1.30.3",
        &[
            "registry proxy-registry-differs: gcr.io/istio-release -> registry.istio.io/release",
            "version proxy-version-differs: 1.29.0 -> 1.30.3",
            "variant proxy-variant-differs: debug -> default",
        ],
    );
    differ(
        "x.example/proxyv2:latest",
        "x.example/proxyv2:stable",
        &["version proxy-image-differs: x.example/proxyv2:latest -> x.example/proxyv2:stable"],
    );
    // The tag differs in nothing that can be read: the whole image is shown.
    differ(
        "x.example/proxyv2:v1.27.7-1",
        "x.example/proxyv2:1.27.7-1",
        &["version proxy-image-differs: x.example/proxyv2:v1.27.7-1 -> x.example/proxyv2:1.27.7-1"],
    );
}

#[test]
fn digests_are_compared_before_tags() {
    differ("a.example/p:1.0@sha256:1", "a.example/p:1.1@sha256:1", &[]);
    differ(
        "a.example/p@sha256:1",
        "b.example/p@sha256:1",
        &["registry proxy-registry-differs: a.example -> b.example"],
    );
    differ(
        "a.example/p@sha256:1",
        "a.example/p@sha256:2",
        &["version proxy-image-differs: a.example/p@sha256:1 -> a.example/p@sha256:2"],
    );
    differ(
        "a.example/p:1.30.3@sha256:1",
        "a.example/p:1.30.3",
        &["version proxy-image-differs: a.example/p:1.30.3@sha256:1 -> a.example/p:1.30.3"],
    );
    differ(
        "a.example/p:1.30.3@sha256:1",
        "a.example/p:1.30.4@sha256:2",
        &["version proxy-version-differs: 1.30.3 -> 1.30.4"],
    );
}
