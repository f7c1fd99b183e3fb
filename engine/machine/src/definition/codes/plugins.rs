//! What definitions ask of plugins, what running plugins say to that, and why calls are held.

super::codes! { PLUGINS;
    PLUGIN_RULES 172 "plugin_rules" "a rule for plugins is not allowed"
        "`plugins:` says by name of a plugin when its breaker opens, which instance is asked, and \
         how much one engine asks: `{ breaker: { threshold: 5, reset: 30s, open: wait }, balance: \
         group, concurrency: 10, rate: 100/s, per: \"${ input.customer }\" }`. A threshold lies \
         between 1 and 1,000; a rate is a number of calls up to 10,000 and a time, `100/s`, `5/m` \
         or `10/500ms`. `per` is a text with `${ … }`, and needs one of the two limits beside it. \
         Correct what the message names."
    MISSING_PLUGIN 226 "missing_plugin" "no plugin that runs answers the call"
        "Of the plugins that run now none has this name, a version that is meant, and the \
         operation. Calls wait until one has, unless `retry` says otherwise. Start the plugin, or \
         correct the name; `gearshift plugin ls` lists what runs."
    INPUT_MISMATCH 227 "input_mismatch" "the plugin does not take this input"
        "What is written in `with`, as far as it is no expression, does not fit the JSON Schema \
         that the running plugin publishes for the operation: the call would fail. `gearshift \
         plugin show NAME` shows what it takes. Correct the input, or start a plugin that takes it."
    SCHEMAS_DIFFER 232 "schemas_differ" "instances of one version publish different schemas"
        "Instances of a plugin say that they are of the same version, and yet not all of them \
         take or give the same for this operation. Any of them may get a call; the definition is \
         compared with the schema of one. The message names those that differ. End the instances \
         that run another build, or give what changed a version of its own; `gearshift plugin show \
         NAME` shows them."
    PLUGIN_NOT_FOUND 5005 "plugin_not_found" "no plugin answers the call"
        "No service is subscribed to the operation's subject, or the plugin runs only in versions \
         that the definition does not mean; the message says which. Nothing was sent. The call is \
         repeated every few seconds until somebody answers, unless `retry` says otherwise. Start \
         the plugin, or the version that is needed."
    BREAKER_OPEN 5006 "breaker_open" "the operation failed too often and is left alone for a while"
        "Several calls of the operation failed in a row, so its breaker opened: calls wait, and no \
         attempt is counted, or fail at once where the definition says `breaker: { open: fail }`. \
         After the reset time one call is tried; if it succeeds, all go on. `gearshift plugin ls` \
         shows it. Repair the plugin; `gearshift plugin reset NAME` lets calls go on at once."
    PLUGIN_LIMITED 5007 "plugin_limited" "a limit of the definition is reached"
        "`concurrency` or `rate` of `plugins:` lets no more calls of this plugin go at the moment. \
         The call was not sent and no attempt is counted; it is sent when there is room, in the \
         order of arrival. `gearshift why` tells which limit it is, whose, and how many are ahead. If \
         it lasts, raise the limit, or send less."
    INPUT_TOO_LARGE 5021 "input_too_large" "an input is larger than what can be sent"
        "A plugin that says `gearshift.objects` takes inputs up to 8 MiB, through the object store; \
         any other one up to 1 MiB, with headers, or what the server's `max_payload` allows. Nothing \
         was sent, and another attempt would end the same way. Give the plugin less, or have it read \
         objects: `docs/PLUGINS.md`, Large bodies."
    PLUGIN_PAUSED 5008 "plugin_paused" "an operator paused the plugin"
        "Calls of the plugin are not sent until somebody lets them go on: `gearshift resume \
         --plugin NAME`. No attempt is counted meanwhile. `gearshift health` tells who paused it \
         and why."
    PLUGIN_NOT_READY 5013 "plugin_not_ready" "a plugin takes no calls in the state that it is in"
        "It is `initializing`: it gets ready, or waits for a plugin that it requires; or it is \
         `deactivating`: it answers what it has and ends. The message says since when. A call by \
         hand is not made then; calls of instances wait until somebody answers. `gearshift plugin \
         show NAME` tells what it needs. Start what is missing, or another instance."
    OUTPUT_NOT_SHOWN 5009 "output_not_shown" "the output of a call by hand is too large to be shown"
        "The plugin answered with an object of more bytes than a message of NATS carries, so what \
         asked for the call cannot be given it; the call itself is done. Over the HTTP door of an \
         engine outputs up to 8 MiB are shown."
}
