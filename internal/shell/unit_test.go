package shell

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"quokka/client"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		"ls /": {"ls", "/"}, "  ls\t/  ": {"ls", "/"}, `create /a "b c"`: {"create", "/a", "b c"}, `create /a 'b "c"'`: {"create", "/a", `b "c"`},
		`set /a it's`: {"set", "/a", "it's"}, `set /a "unclosed x`: {"set", "/a", "unclosed", "x"}, `set /a "a"b`: {"set", "/a", "a", "b"},
		`set /a a"b c"`: {"set", "/a", `a"b`, `c"`}, `set /a ""`: {"set", "/a", ""}, `set /a {"x":1}`: {"set", "/a", `{"x":1}`}, "": nil,
		`set /a \"`: {"set", "/a", `\"`}, "   ": {" "}, "a\vb": {"a", "b"},
	} {
		if got := split(line); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestParseFlags(t *testing.T) {
	cmd := &Command{
		Name: "probe", Usage: "path",
		Flags: []Flag{{Name: "s"}, {Name: "w"}, {Name: "v", Value: "n"}, {Name: "add", Value: "x", Repeat: true}, {Name: "view", Value: "x"}, {Name: "n", Value: "n"}, {Name: "b"}},
		OneOf: []string{"n", "b"},
	}
	for _, c := range []struct{ line, want, err string }{
		{"/a -s", "/a|s=", ""}, {"-s /a -w", "/a|s= w=", ""}, {"-sw /a", "/a|s= w=", ""}, {"-sv3 /a", "/a|s= v=3", ""}, {"-v 3 /a", "/a|v=3", ""},
		{"-v -1 /a", "/a|v=-1", ""}, {"-v=7 /a", "/a|v=7", ""}, {"--view hex /a", "/a|view=hex", ""}, {"--view=hex -view x /a", "/a|view=hex", ""},
		{"-add a -add b", "|add=a,b", ""}, {"-v 1 -v 2", "|v=1", ""}, {"-- -s", "-s|", ""}, {"/a - /b", "/a /b -|", ""}, {"-o json", "|o=json", ""},
		{"-s=1 /a", "", "UnrecognizedOptionException: Unrecognized option: -s=1"}, {"-z", "", "Unrecognized option: -z"},
		{"-sz", "", "Unrecognized option: -sz"}, {"--s", "", "Unrecognized option: --s"}, {"-1", "", "Unrecognized option: -1"},
		{"-v", "", "MissingArgumentException: Missing argument for option: v"}, {"-v -s", "", "Missing argument for option: v"},
		{"-n 1 -b", "", "AlreadySelectedException: The option 'b'"}, {"--nonsense", "", "Unrecognized option: --nonsense"}, {"-v --", "", "Missing argument"},
	} {
		p, err := cmd.parseFlags(strings.Fields(c.line))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.line, err, c.err)
			}
			continue
		}
		var flags []string
		for _, name := range slices.Sorted(maps.Keys(p.values)) {
			flags = append(flags, name+"="+strings.Join(p.values[name], ","))
		}
		slices.SortFunc(p.args, func(a, b string) int { return strings.Compare(b, a) })
		slices.Reverse(p.args)
		want, wantFlags, _ := strings.Cut(c.want, "|")
		args := strings.Fields(want)
		slices.Sort(args)
		if err != nil || !slices.Equal(p.args, args) || strings.Join(flags, " ") != wantFlags {
			t.Errorf("%s: %v %v %v, want %s", c.line, p.args, flags, err, c.want)
		}
	}
}

func TestQuotaText(t *testing.T) {
	for in, want := range map[string]string{
		"count=3,bytes=100": "count=3,bytes=100", "": "count=-1,bytes=-1", "count=3,bytes=": "count=3,bytes=-1",
		"count=3,bytes=100=;byteHardLimit=-1;countHardLimit=7": "count=3,bytes=100=;byteHardLimit=-1;countHardLimit=7",
	} {
		q, err := parseQuota(in)
		if err != nil || q.String() != want {
			t.Errorf("%s: %v, %v", in, q, err)
		}
	}
	if _, err := parseQuota("count=many"); err == nil {
		t.Error("count=many passed")
	}
}

func TestPathText(t *testing.T) {
	for path, want := range map[string]string{
		"/a//b": `Invalid path string "/a//b" caused by empty node name specified @3`, "/a/.": "relative paths not allowed @3",
		"/a/../b": "relative paths not allowed @4", "/a/..": "relative paths not allowed @4", "/a\x00": "null character not allowed @2",
		"/a\x01": "invalid character @2", "/é😀": "invalid character @2", "/\uf8ff": "invalid character @1", "a": "why", "/a/": "why", "": "why",
	} {
		if got := pathText(path, "why"); !strings.HasSuffix(got, want) {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}

func TestSimilarCommand(t *testing.T) {
	for name, want := range map[string]string{"gte": "get", "LS": "ls", "getacl": "getAcl", "deletall": "deleteall", "qiut": "quit", "xyzzy": ""} {
		if got := similar(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// What help says of each command must be enough to use it.
func TestEveryCommandExplainsItself(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range Commands() {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			if seen[name] {
				t.Errorf("two commands are called %s", name)
			}
			seen[name] = true
		}
		var b strings.Builder
		if err := c.writeHelp(&b); err != nil || !strings.HasPrefix(b.String(), strings.TrimSpace(c.usage())+"\n\n"+c.Summary) {
			t.Errorf("%s: %v\n%s", c.Name, err, b.String())
		}
		if !strings.HasSuffix(c.Summary, ".") || !slices.Contains(groups, c.Group) || c.Run == nil {
			t.Errorf("%s: summary %q, group %q", c.Name, c.Summary, c.Group)
		}
		for _, f := range c.Flags {
			if f.Doc == "" || f.Name == outputFlag.Name || f.Name == helpFlag.Name {
				t.Errorf("%s: flag %+v", c.Name, f)
			}
		}
		for _, e := range c.Examples {
			line, _, _ := strings.Cut(e, "  # ")
			words := split(line)
			p, err := c.parseFlags(words[1:])
			if words[0] != c.Name || err != nil || c.checkCount(len(p.args)) != nil {
				t.Errorf("example %q of %s: %v", e, c.Name, err)
			}
		}
	}
}

func TestHistoryKeepsNoSecrets(t *testing.T) {
	name := filepath.Join(t.TempDir(), "history")
	h := openHistory(name)
	for _, line := range []string{"ls /", "ls /", " addauth digest a:secret", "addauth digest a:secret", "", "get /a"} {
		h.Add(line)
	}
	h.paused = true
	h.Add("yes")
	h.close()
	text, err := os.ReadFile(name)
	if err != nil || string(text) != "ls /\nget /a\n" {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	again := openHistory(name)
	defer again.close()
	if again.Len() != 2 || again.At(0) != "get /a" || again.At(1) != "ls /" {
		t.Errorf("%q", again.lines)
	}
}

func TestHistoryStaysBounded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "history")
	if err := os.WriteFile(name, []byte(strings.Repeat("get /a\nget /b\n", maxHistory)), 0o644); err != nil {
		t.Fatal(err)
	}
	h := openHistory(name)
	h.Add("last")
	h.close()
	again := openHistory(name)
	defer again.close()
	if again.Len() != maxHistory/2+1 || again.At(0) != "last" {
		t.Errorf("%d lines", again.Len())
	}
	if info, _ := os.Stat(name); info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v", info.Mode())
	}
}

func TestSearchGoesToOlderLines(t *testing.T) {
	e := &editor{history: &history{lines: []string{"get /a", "ls /", "get /b", "get /b/c"}}}
	line := "get"
	for _, want := range []string{"get /b/c", "get /b", "get /a", "get /a"} {
		if line = e.older(line); line != want {
			t.Errorf("%q, want %q", line, want)
		}
	}
	if got := e.older("nothing"); got != "nothing" {
		t.Errorf("%q", got)
	}
}

func TestJavaTextOfEveryCode(t *testing.T) {
	for code := range keeperText {
		text := javaText(&client.Error{Op: "get", Path: "/a", Code: code}, code)
		if text == "" || strings.Contains(text, "zookeeper:") {
			t.Errorf("%v: %s", code.Name(), text)
		}
	}
	if got := javaText(&client.Error{Op: "get", Code: client.ErrConnectionLoss}, client.ErrConnectionLoss); got != "KeeperErrorCode = ConnectionLoss" {
		t.Error(got)
	}
}

func TestColours(t *testing.T) {
	for _, c := range []struct {
		option, environ string
		terminal, zkCli bool
		json, want      bool
	}{
		{"", "TERM=xterm", true, false, false, true}, {"auto", "TERM=xterm", true, false, false, true}, {"auto", "", false, false, false, false},
		{"auto", "NO_COLOR=1", true, false, false, false}, {"auto", "TERM=dumb", true, false, false, false}, {"auto", "", true, true, false, false},
		{"auto", "", true, false, true, false}, {"always", "NO_COLOR=1", false, false, false, true}, {"never", "", true, false, false, false},
	} {
		var out, errs strings.Builder
		s := newShell(Options{In: strings.NewReader(""), Out: &out, Err: &errs, Colour: c.option, Environ: []string{c.environ}, ZkCli: c.zkCli})
		s.errTerminal, s.json = c.terminal, c.json
		s.complain(failure{Error: "bad", Hint: "better"})
		if got := strings.Contains(errs.String(), "\x1b["); got != c.want {
			t.Errorf("%+v: %q", c, errs.String())
		}
	}
}
