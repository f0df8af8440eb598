//! Errors in the form that clients of another API read.

use axum::response::{IntoResponse, Response};
use contract::{Problem, azure::AzureError, endpoint::ErrorForm};
use http::{HeaderName, HeaderValue, StatusCode};
use http_server::json;
use serde_json::{Value, json};

/// `response` with its problem in `form`, if it has one that is not written out yet.
pub fn write(form: ErrorForm, mut response: Response) -> Response {
    if form == ErrorForm::Problem {
        return response;
    }
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let status = response.status();
    let (code, message) = (problem.code.into_owned(), problem.detail.into_owned());
    let body = match form {
        ErrorForm::Problem => Value::Null,
        ErrorForm::Azure if status == StatusCode::UNAUTHORIZED => {
            json!({"error": {"code": "401", "message": message}})
        }
        ErrorForm::OpenInference => json!({"error": message}),
        ErrorForm::Azure => return azure(response, &AzureError { code, message }),
    };
    with_body(response, json(&body))
}

/// `response` with the error of an Azure service.
pub fn azure(response: Response, error: &AzureError) -> Response {
    let mut response = with_body(response, json(error));
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        let name = HeaderName::from_static(AzureError::HEADER);
        response.headers_mut().insert(name, code);
    }
    response
}

/// The status and headers of `response`, with the body of another one and what describes it.
fn with_body(response: Response, body: Response) -> Response {
    let (mut head, _) = response.into_parts();
    let (described, body) = body.into_parts();
    head.headers.extend(described.headers);
    (head, body).into_response()
}
