//! Who is signed in, known to every page. What they may do is checked on the server; here it only decides what is offered.

use leptos::prelude::*;

use fleet_types::{Operator, Permission};

#[derive(Clone)]
struct SignedInAs(Option<Operator>);

/// Takes the operator of the request and hands it on to the browser within the page.
pub fn provide_operator() {
    let operator =
        SharedValue::new(|| use_context::<Option<Operator>>().flatten().or_else(use_context::<Operator>)).into_inner();
    provide_context(SignedInAs(operator));
}

pub fn operator() -> Option<Operator> {
    use_context::<SignedInAs>()?.0
}

/// Why a control is off for whoever is signed in.
pub fn why_not(permission: Permission) -> Option<String> {
    match operator() {
        Some(operator) => operator.why_not(permission),
        None => Some(String::from("Sign in first.")),
    }
}
