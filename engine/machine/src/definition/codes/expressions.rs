//! `GS03xx`: an expression cannot be used.

super::codes! { EXPRESSIONS;
    EXPRESSION_SYNTAX 301 "expression_syntax" "the expression cannot be read"
        "Guards and mappings are written in CEL: `data.amount < 100 && vars.tries >= 3`. The text \
         is not such an expression. Strings stand in single or double quotes; `and`, `or` and `=` \
         are `&&`, `||` and `==`."
    UNKNOWN_NAME 302 "unknown_name" "the expression uses an unknown name"
        "An expression sees `data`, `event`, `vars`, `input`, `key`, `instance`, `workflow` and \
         `now`; in `set` of a call also `output`, in `correlate` only `data` and `event`. \
         Variables are `vars.name`, and must be declared. A text is written in quotes."
    UNKNOWN_FUNCTION 303 "unknown_function" "the expression uses an unknown function"
        "Functions are those of CEL for strings, lists, numbers and times, and `active('state')`. \
         Nothing reads files, the environment or the network, and there is no random: the same \
         event must give the same answer. `now` is a variable, not a function."
    EXPRESSION_SIZE 304 "expression_size" "the expression is too large"
        "An expression has at most 1,024 bytes, 256 nodes and a depth of 32. Everything above that \
         is better said by several transitions, by a variable that `set` computes, or by a plugin."
    EXPRESSION_DEPTH 305 "expression_depth" "the expression nests too deep"
        "An expression nests at most 32 levels. Take a part of it into a variable with `set`, or \
         use several transitions."
    EXPRESSION_NESTING 306 "expression_nesting" "the expression loops in a way that is not bounded"
        "Macros such as `map`, `filter` and `all` may nest once in a guard and twice elsewhere, at \
         most four of them, and run over a path into data or a literal list. Otherwise a short \
         text could take for ever. Do the work in a plugin, or in several steps."
    REGEX 307 "regex" "the regular expression is not allowed"
        "`matches` takes a literal pattern that can be checked now. A pattern from data could be \
         anything. Write it as a literal, and check its syntax."
    NOT_BOOL 308 "not_bool" "the guard is not a condition"
        "A guard is true or false; other values do not count as true. A literal text or number as \
         guard is a mistake. Compare it with something: `data.action == 'approve'`."
    REGEX_SIZE 309 "regex_size" "the regular expression is too large"
        "A pattern has at most 256 bytes, and its program must stay small: repetitions of \
         repetitions grow fast. Simplify it."
}
