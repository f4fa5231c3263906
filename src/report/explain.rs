//! What a code means.

use crate::config::DriftClass;
use crate::diagnostic::{Code, DiagnosticCode};
use crate::gitops::BlockerCode;
use crate::mesh::DriftCode;
use crate::reason::{ReasonCode, Verdict};
use crate::rollout::RiskCode;

/// What a code of any output means, one paragraph for each set that has it; none for no code.
#[must_use]
pub fn code(code: &str) -> Option<String> {
    let found: Vec<String> = [
        meaning::<Verdict>("verdict", code),
        meaning::<ReasonCode>("reason", code),
        meaning::<DriftCode>("drift", code),
        meaning::<DriftClass>("class of drift", code),
        meaning::<RiskCode>("risk", code),
        meaning::<BlockerCode>("delivery blocker", code),
        meaning::<DiagnosticCode>("diagnostic", code),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!found.is_empty()).then(|| found.join("\n"))
}

fn meaning<C: Code>(set: &str, code: &str) -> Option<String> {
    let member = C::from_code(code)?;
    Some(format!("{code} ({set})\n  {}\n", member.meaning()))
}

#[cfg(test)]
mod tests {
    use super::code;
    use crate::diagnostic::Code as _;
    use crate::reason::ReasonCode;

    #[test]
    fn every_code_is_explained_and_no_other_word() {
        for reason in ReasonCode::ALL {
            assert!(code(reason.code()).is_some_and(|text| text.contains(reason.meaning())));
        }
        assert_eq!(code("no-such-code"), None);
    }
}
