//! Inventories: what a Kustomization or a HelmRelease says that it applied.

use serde_json::Value;

use crate::manifest::ObjectRef;
use crate::rollout::value;

/// The objects of `status.inventory`.
pub(in crate::gitops) fn inventory(body: &Value) -> impl Iterator<Item = ObjectRef> {
    let entries = value::items(body, &["status", "inventory", "entries"]);
    entries
        .iter()
        .filter_map(|entry| reference(value::text(entry, &["id"])?))
}

/// An entry's `namespace_name_group_kind`. Namespaces, groups and kinds hold no underscore; a colon
/// in a name is written as two.
fn reference(id: &str) -> Option<ObjectRef> {
    let (namespace, rest) = id.split_once('_')?;
    let (rest, kind) = rest.rsplit_once('_')?;
    let (name, group) = rest.rsplit_once('_')?;
    Some(ObjectRef::new(
        group,
        kind,
        namespace,
        name.replace("__", ":"),
    ))
}

#[cfg(test)]
mod tests {
    use super::reference;

    #[test]
    fn entries_are_read_from_both_ends() {
        let check = |id: &str, expected: Option<&str>| {
            let found = reference(id).map(|found| format!("{}|{found}", found.group));
            assert_eq!(found.as_deref(), expected, "{id}");
        };
        check(
            "shop_cart_apps_Deployment",
            Some("apps|Deployment shop/cart"),
        );
        check("default_podinfo__Service", Some("|Service default/podinfo"));
        check(
            "_a__b_rbac.authorization.k8s.io_ClusterRole",
            Some("rbac.authorization.k8s.io|ClusterRole a:b"),
        );
        check("cart", None);
    }
}
