package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite generated parts of the documentation")

func TestDocumentation(t *testing.T) {
	const name = "../../docs/format/config.md"
	const begin, end = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(data), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s: no generated part", name)
	}
	want := head + begin + documentationTable() + end + tail
	if want == string(data) {
		return
	}
	if !*update {
		t.Fatalf("%s is not up to date: run go test ./internal/config -run TestDocumentation -update", name)
	}
	if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func documentationTable() string {
	var b strings.Builder
	b.WriteString("| key | -D | environment | value | default | obeyed | meaning |\n|---|---|---|---|---|---|---|\n")
	for k := range Keys() {
		property, obeyed := "", "no"
		if k.Property != "" {
			property = "`" + k.Property + "`"
		}
		if k.Implemented {
			obeyed = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s | %s | %s |\n", k.Key, property, k.Env, k.Type, k.Default, obeyed, k.Doc)
	}
	b.WriteString("\nFamilies of keys:\n\n| prefix | obeyed | meaning |\n|---|---|---|\n")
	for _, f := range families {
		obeyed := "no"
		if f.done {
			obeyed = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", f.prefix, obeyed, strings.ReplaceAll(f.doc, "|", `\|`))
	}
	return b.String()
}

func TestTable(t *testing.T) {
	seen := make(map[string]string)
	for i := range table {
		r := &table[i]
		for _, name := range []string{r.key, EnvName(r.key), "--" + FlagName(r.key)} {
			if other, ok := seen[name]; ok && other != r.key {
				t.Errorf("%s and %s share the name %s", r.key, other, name)
			}
			seen[name] = r.key
		}
		if r.doc == "" {
			t.Errorf("%s has no doc", r.key)
		}
		if r.done && r.at == nil {
			t.Errorf("%s is obeyed, but has no field", r.key)
		}
		c := blank()
		if r.def == "" {
			continue
		}
		if notice, err := r.parse(&c, r.def); err != nil || notice != "" {
			t.Errorf("%s: default %s: %v %s", r.key, r.def, err, notice)
		}
		if text, ok := r.format(&c); r.at != nil && (!ok || text != r.def) {
			t.Errorf("%s: default %q prints as %q, %v", r.key, r.def, text, ok)
		}
	}
}

func TestNames(t *testing.T) {
	for key, want := range map[string][2]string{
		"clientPort":                           {"QUOKKA_CLIENT_PORT", "client-port"},
		"4lw.commands.whitelist":               {"QUOKKA_4LW_COMMANDS_WHITELIST", "4lw-commands-whitelist"},
		"skipACL":                              {"QUOKKA_SKIP_ACL", "skip-acl"},
		"enableEagerACLCheck":                  {"QUOKKA_ENABLE_EAGER_ACL_CHECK", "enable-eager-acl-check"},
		"quorumListenOnAllIPs":                 {"QUOKKA_QUORUM_LISTEN_ON_ALL_IPS", "quorum-listen-on-all-ips"},
		"request_throttle_stall_time":          {"QUOKKA_REQUEST_THROTTLE_STALL_TIME", "request-throttle-stall-time"},
		"X509AuthenticationProvider.superUser": {"QUOKKA_X509_AUTHENTICATION_PROVIDER_SUPER_USER", "x509-authentication-provider-super-user"},
		"fips-mode":                            {"QUOKKA_FIPS_MODE", "fips-mode"},
		"jute.maxbuffer":                       {"QUOKKA_JUTE_MAXBUFFER", "jute-maxbuffer"},
	} {
		if got := [2]string{EnvName(key), FlagName(key)}; got != want {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
}
