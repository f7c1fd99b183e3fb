//! What can never be a bool, whatever it is asked of.

use cel::IdedExpr;
use cel::common::ast::Expr as Node;

use super::Expr;
use super::lower::Plan;

/// Operators and functions whose result is a number, a text, a time, a list or a map.
const NO_BOOLS: [&str; 45] = [
    "_+_",
    "_-_",
    "_*_",
    "_/_",
    "_%_",
    "-_",
    "size",
    "string",
    "int",
    "uint",
    "double",
    "bytes",
    "duration",
    "timestamp",
    "type",
    "lists.range",
    "math.@max",
    "math.@min",
    "math.abs",
    "math.ceil",
    "math.floor",
    "math.greatest",
    "math.least",
    "math.round",
    "math.sign",
    "math.sqrt",
    "math.trunc",
    "strings.quote",
    "distinct",
    "flatten",
    "format",
    "indexOf",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "replace",
    "reverse",
    "slice",
    "sort",
    "split",
    "substring",
    "trim",
    "upperAscii",
    "charAt",
    "getFullYear",
];

impl Expr {
    /// `` `+` ``, `` `vars.amount` ``: what it gives, where that can never be a bool: arithmetic,
    /// functions that make something else, and the names of `others`, which stand for no bool.
    #[must_use]
    pub fn no_bool(&self, others: &[&str]) -> Option<String> {
        match self.plan() {
            Plan::Const(_) => None,
            Plan::Path(at) => {
                let path = self.tables().paths.get(*at)?.path.to_string();
                others.contains(&&*path).then(|| format!("`{path}`"))
            }
            Plan::Cel(tree) => of_node(tree),
        }
    }
}

fn of_node(node: &IdedExpr) -> Option<String> {
    let Node::Call(call) = &node.expr else { return None };
    let name = call.func_name.as_str();
    if let ("_?_:_", [_, yes, no]) = (name, call.args.as_slice()) {
        return of_node(yes).and_then(|_| of_node(no)).map(|_| "either branch of `?:`".to_owned());
    }
    let name = name.trim_start_matches('@');
    NO_BOOLS.iter().find(|known| known.trim_start_matches('@') == name)?;
    Some(format!("`{}`", name.replace("math.@", "math.").trim_matches('_')))
}
