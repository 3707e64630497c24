//! Each listener's OpenAPI document, made of the same list as its routes, and a page that shows it.

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::{MethodRouter, get};
use serde_json::{Map, Value, json};

use super::answer::json as encode;

const PAGE: &str = include_str!("swagger.html");
/// The page runs its own script and talks to its own listener, and to nobody else.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Where the document and its page are.
pub(super) const DOCUMENT: &str = "/openapi.json";
pub(super) const SWAGGER: &str = "/swagger";

/// One thing that can be asked.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    parameters: Vec<(&'static str, &'static str)>,
    body: Option<&'static str>,
    answers: Vec<(u16, &'static str)>,
}

impl Operation {
    fn new(method: &'static str, path: &'static str, summary: &'static str) -> Self {
        Operation { method, path, summary, parameters: Vec::new(), body: None, answers: Vec::new() }
    }

    pub fn get(path: &'static str, summary: &'static str) -> Self {
        Operation::new("get", path, summary)
    }

    pub fn put(path: &'static str, summary: &'static str) -> Self {
        Operation::new("put", path, summary)
    }

    pub fn post(path: &'static str, summary: &'static str) -> Self {
        Operation::new("post", path, summary)
    }

    /// A parameter of the query.
    pub fn query(mut self, name: &'static str, meaning: &'static str) -> Self {
        self.parameters.push((name, meaning));
        self
    }

    /// An example of the JSON body.
    pub fn body(mut self, example: &'static str) -> Self {
        self.body = Some(example);
        self
    }

    /// An answer other than 200.
    pub fn answers(mut self, status: u16, meaning: &'static str) -> Self {
        self.answers.push((status, meaning));
        self
    }

    fn describe(&self) -> Value {
        let in_path = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let parameter = |name: &str, place: &str, meaning: &str| {
            json!({
                "name": name, "in": place, "required": place == "path", "description": meaning,
                "schema": { "type": "string" },
            })
        };
        let mut parameters: Vec<Value> = in_path.map(|name| parameter(name, "path", "part of the path")).collect();
        parameters.extend(self.parameters.iter().map(|(name, meaning)| parameter(name, "query", meaning)));
        let mut responses = Map::from_iter([("200".to_owned(), json!({ "description": "the answer" }))]);
        for (status, meaning) in &self.answers {
            responses.insert(status.to_string(), json!({ "description": meaning }));
        }
        let mut operation = json!({ "summary": self.summary, "parameters": parameters, "responses": responses });
        if let Some(example) = self.body {
            let example: Value = serde_json::from_str(example).unwrap_or_else(|_| Value::from(example));
            operation["requestBody"] = json!({ "content": { "application/json": { "example": example } } });
        }
        operation
    }
}

/// Routes that describe themselves.
pub(super) struct Documented<S> {
    router: Router<S>,
    operations: Vec<Operation>,
}

impl<S: Clone + Send + Sync + 'static> Documented<S> {
    pub fn new() -> Self {
        Documented { router: Router::new(), operations: Vec::new() }
    }

    pub fn route(mut self, operation: Operation, handler: MethodRouter<S>) -> Self {
        self.router = self.router.route(operation.path, handler);
        self.operations.push(operation);
        self
    }

    /// Changes the routes so far, as by a layer.
    pub fn map(mut self, change: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        self.router = change(self.router);
        self
    }

    /// The routes alone.
    pub fn bare(self) -> Router<S> {
        self.router
    }

    /// The routes, with the document and its page.
    pub fn serve(self, title: &str, about: &str) -> Router<S> {
        let document = encode(&self.document(title, about));
        let page = get(async || {
            ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)], PAGE)
        });
        let answer = move || {
            let document: Bytes = document.clone();
            async move { ([(header::CONTENT_TYPE, "application/json")], document) }
        };
        self.router.route(DOCUMENT, get(answer)).route(SWAGGER, page)
    }

    fn document(&self, title: &str, about: &str) -> Value {
        let mut paths: Map<String, Value> = Map::new();
        for operation in &self.operations {
            let path = paths.entry(operation.path).or_insert_with(|| json!({}));
            path[operation.method] = operation.describe();
        }
        json!({
            "openapi": "3.1.0",
            "info": { "title": title, "description": about, "version": env!("CARGO_PKG_VERSION") },
            "paths": paths,
        })
    }
}
