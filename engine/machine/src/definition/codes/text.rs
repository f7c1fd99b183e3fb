//! `GS00xx`: the text cannot be read.

super::codes! { TEXT;
    EMPTY_DEFINITION 1 "empty_definition" "the file holds no definition"
        "The file is empty, or has only spaces and comments. A definition is a mapping that begins \
         with `workflow: <name>`. Write one, or start from one of the examples."
    SYNTAX 2 "syntax" "the text is not well-formed"
        "The text is not YAML (or not JSON, in a `.json` file), so nothing after this place can be \
         read. In YAML most often the indentation, a tab, a missing quote or an unclosed bracket \
         is the reason. Inside `{ }` and `[ ]` an unquoted text may hold no comma and no `: `; put \
         such text in quotes or on a line of its own."
    TOO_DEEP 3 "too_deep" "nesting is too deep"
        "Mappings and lists nest more than 64 levels. No definition needs that many, and deep \
         nesting is a known way to exhaust a reader. Name states and actions instead of nesting \
         them."
    ALIAS_BUDGET 4 "alias_budget" "aliases expand to too much"
        "YAML aliases (`*name`) repeat what an anchor (`&name`) holds. Together they would make \
         this text larger than any definition may be. Use fewer aliases; a named action is \
         usually what is meant."
    DUPLICATE_KEY 5 "duplicate_key" "a key occurs twice in one mapping"
        "The same key stands twice in one mapping. Other readers keep the last one silently, so \
         one half of what you wrote would vanish. Remove one of them; to write two transitions \
         for one event, give the event a list."
    TRAILING_CONTENT 6 "trailing_content" "there is more text behind the definition"
        "One definition was asked for and the text goes on behind it. In YAML `---` begins another \
         definition; in JSON nothing may follow. Give each definition a file, or use a command \
         that takes several."
    ENCODING 7 "encoding" "the text is not plain UTF-8"
        "Definitions are UTF-8 without a byte order mark. The text has bytes that are not UTF-8, \
         is UTF-16, begins with a byte order mark, or holds a NUL or a lone surrogate. Save the \
         file as UTF-8 without a mark."
    TOO_LARGE 8 "too_large" "the definition is too large"
        "A definition may have 512 KiB of text, 2,000 states and 10,000 transitions. Larger ones \
         are generated ones, and would slow every instance down. Split the workflow, or move data \
         out of it."
    TAG 9 "tag" "YAML tags are not allowed"
        "A YAML tag (`!name`) changes how the value behind it is read. Here it is most often a \
         guard that begins with `!`, which YAML takes for a tag, so that the guard would vanish. \
         Put the text in quotes: `when: '!data.ok'`."
    DUPLICATE_DEFINITION 10 "duplicate_definition" "one version of a workflow is defined twice"
        "Name and version together say which definition is meant, so each pair stands for one \
         text. Here two definitions of one file have the same. Give the newer one the next \
         `version`, or remove one of them."
    ON_KEY 11 "on_key" "the key `true` is read as `on`"
        "YAML 1.1 tools turn the key `on` into `true` when they rewrite a file. This key is taken \
         for `on`. Write `on:`, and quote it (`\"on\":`) where such a tool rewrites the file."
    NOT_CONVERTIBLE 12 "not_convertible" "there is nothing to convert this to"
        "Another format can say things that a definition cannot: scripts, queries over XML, other \
         ways of carrying events. What has no equivalent is refused where it stands, instead of \
         being left out. Say it differently, or remove it and write that part by hand."
}
