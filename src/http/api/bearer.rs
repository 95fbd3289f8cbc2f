//! The token of a request: looked at before anything else of it, in one query.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::problem::Problem;
use crate::{
    auth::{API_TOKEN_PREFIX, Scope},
    http::{address, connections, request_id::RequestId},
    state::AppState,
};
use fleet_types::text;
use ledger::{By, Claimant, Denied, LiveToken, TokenState, Via};

/// Who calls: a token that may do what this route is for.
#[derive(Clone, Debug)]
pub struct Token {
    name: String,
    client: String,
    pools: Option<Vec<String>>,
    /// It has the scope `manage`, whatever the route needs.
    may_manage: bool,
    /// From where, as far as that can be known.
    address: String,
    request_id: String,
}

impl Token {
    /// Who makes the change that follows, and why, if they said so.
    ///
    /// # Errors
    /// A problem with the field `reason` when it is too long or holds control characters.
    pub fn because(&self, reason: Option<&str>) -> Result<By, Problem> {
        let reason =
            reason.filter(|reason| !reason.trim().is_empty()).map(|reason| text::reason(reason, 1)).transpose();
        let reason = reason.map_err(|error| Problem::invalid("reason", error.to_string()))?;
        Ok(By { reason, ..self.by() })
    }

    pub fn by(&self) -> By {
        By { actor: self.name.clone(), via: Via::Api, reason: None, request_id: Some(self.request_id.clone()) }
    }

    /// Who claims, or asks for a connection.
    pub fn claimant(&self) -> Claimant {
        Claimant {
            client: self.client.clone(),
            pools: self.pools.clone(),
            may_manage: self.may_manage,
            address: self.address.clone(),
            by: self.by(),
        }
    }
}

/// Lets the request through if its token has the scope.
pub async fn require(State((state, scope)): State<(AppState, Scope)>, request: Request, next: Next) -> Response {
    let token_hash = match shown(request.headers()) {
        Ok(token) => secrets::hash_token(token),
        Err(problem) => return problem.into_response(),
    };
    let is_known = connections::recognise(request.extensions(), token_hash);
    let live = match live_token(&state, &token_hash).await {
        Ok(live) => live,
        Err(problem) => return problem.into_response(),
    };
    if !is_known {
        connections::make_known(request.extensions(), token_hash);
    }
    let (parts, body) = request.into_parts();
    let token = Token {
        name: live.name,
        client: live.client,
        pools: live.pools,
        may_manage: Scope::Manage.is_granted_by(&live.scopes),
        address: address::of(&parts, &state.config),
        request_id: RequestId::current(),
    };
    let mut request = Request::from_parts(parts, body);
    if !scope.is_granted_by(&live.scopes) {
        state.ledger.count_denial(denied(&request, scope), &token.by());
        return Problem::forbidden(format!("The token “{}” lacks the scope {}.", token.name, scope.as_str()))
            .into_response();
    }
    request.extensions_mut().insert(token);
    next.run(request).await
}

async fn live_token(state: &AppState, token_hash: &[u8; 32]) -> Result<LiveToken, Problem> {
    state.ledger.require_reachable()?;
    match state.ledger.token_state(token_hash).await? {
        TokenState::Live(live) => {
            if live.is_stale {
                state.ledger.touch_api_token(live.id).await?;
            }
            if let Some(limit) = live.calls_per_minute
                && !state.ledger.take_call(live.id, limit).await?
            {
                let (name, next_after) = (&live.name, 60_u32.div_ceil(limit.unsigned_abs().max(1)));
                let detail = format!("The token “{name}” may make {limit} calls a minute. Repeat after Retry-After.");
                return Err(Problem::too_many(detail, next_after));
            }
            Ok(live)
        }
        TokenState::Expired => Err(Problem::unauthorised("This token has expired. Make a new one.")),
        TokenState::Replaced => Err(Problem::unauthorised("This token has been replaced. Send the new one.")),
        TokenState::Revoked => Err(Problem::unauthorised("This token has been revoked. Make a new one.")),
        TokenState::Unknown => Err(Problem::unauthorised("This token is not known here.")),
    }
}

/// What follows `Bearer`, if it looks like a token of ours: a mistyped one does not reach the ledger.
fn shown(headers: &HeaderMap) -> Result<&str, Problem> {
    let value = headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| Problem::unauthorised("Send a token: Authorization: Bearer <token>."))?;
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || !token.starts_with(API_TOKEN_PREFIX) || !secrets::is_well_formed(token)
    {
        return Err(Problem::unauthorised("This is no token of Flotilla. Send one as Authorization: Bearer flt_…"));
    }
    Ok(token)
}

fn denied(request: &Request, scope: Scope) -> Denied {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    Denied { action: format!("{} {route}", request.method()), missing: format!("scope {}", scope.as_str()) }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn shown_in(authorization: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(authorization).expect("a header value"));
        shown(&headers).ok().map(str::to_owned)
    }

    #[test]
    fn a_token_of_ours_is_found_whatever_the_case_of_its_scheme() {
        let token = secrets::random_token(API_TOKEN_PREFIX);
        assert_eq!(shown_in(&format!("Bearer {token}")).as_ref(), Some(&token));
        assert_eq!(shown_in(&format!("bearer  {token} ")).as_ref(), Some(&token));
    }

    #[test]
    fn anything_else_is_refused_unseen() {
        let token = secrets::random_token(API_TOKEN_PREFIX);
        let session = secrets::random_token("fls_");
        let mistyped = format!("{}x", &token[..token.len() - 1]);
        for wrong in [
            token.clone(),
            format!("Basic {token}"),
            format!("Bearer {session}"),
            format!("Bearer {mistyped}"),
            String::from("Bearer "),
            String::from("Bearer"),
        ] {
            assert!(shown_in(&wrong).is_none(), "{wrong}");
        }
        assert!(shown(&HeaderMap::new()).is_err());
    }
}
