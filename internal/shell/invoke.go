package shell

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/magiconair/properties"

	"quokka/client"
	"quokka/internal/render"
)

// Streams are what a process is given.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	Environ  []string // as os.Environ returns it
}

// Names are the base names of argv[0] under which the program is zkCli.sh.
var Names = []string{"zkCli.sh", "zkCli"}

// ownNames are the shell's names as a command of the program.
var ownNames = []string{"shell", "cli"}

// Variables of the environment. QUOKKA_* are keys of servers.
const (
	envServer = "ZK_SERVER" // a connect string, for where no -server is given
	envAuth   = "ZK_AUTH"   // scheme:credential, one a line
)

const defaultServer = "localhost:2181"

// An invocation is a command line.
type invocation struct {
	server, timeout, configuration string
	readOnly, wait                 bool

	output, colour         string
	tlsCA, tlsCert, tlsKey string
	auth                   []string // scheme:credential
	authFile               string
	help                   bool
	known                  int      // how many words were options
	named                  bool     // the shell was named, and its options go on behind that
	ignored                []string // options nobody knows
	command                []string
}

// options are those of the shell itself. The value is stored, or is "" for
// those that take none.
func (v *invocation) options() map[string]func(value string) {
	set := func(p *string) func(string) { return func(value string) { *p = value } }
	return map[string]func(string){
		"server": set(&v.server), "timeout": set(&v.timeout), "client-configuration": set(&v.configuration),
		"r": func(string) { v.readOnly = true }, "waitforconnection": func(string) { v.wait = true },
		"o": set(&v.output), "color": set(&v.colour), "tls-ca": set(&v.tlsCA), "tls-cert": set(&v.tlsCert), "tls-key": set(&v.tlsKey),
		"auth":      func(value string) { v.auth = append(v.auth, value) },
		"auth-file": set(&v.authFile), "help": func(string) { v.help = true },
	}
}

var switches = []string{"r", "waitforconnection", "help"}

// OptionsHelp describes the options of the shell.
const OptionsHelp = `Options of the shell, before the command (with one hyphen or two):
  -server host:port,host:port/chroot  servers; else $ZK_SERVER; else localhost:2181
  -timeout ms                         session timeout, 30000
  -r                                  accept a server that is read-only
  -waitforconnection                  wait for a server before the first command
  -client-configuration file          Java client properties (zookeeper.client.secure, zookeeper.ssl.*)
  -o text|json                        form of the output
  --auth scheme:credential            as addauth; may be repeated; better in $ZK_AUTH or --auth-file,
  --auth-file file                    one a line, since others can see a command line
  --tls-ca, --tls-cert, --tls-key     PEM files; any of them turns TLS on
  --color auto|always|never           auto: on a terminal, unless NO_COLOR is set
`

// parseInvocation reads a command line up to the command. Options that
// nobody knows are passed over, as in zkCli.sh.
func parseInvocation(words []string) (*invocation, error) {
	v := new(invocation)
	options := v.options()
	for i := 0; i < len(words); i++ {
		word := words[i]
		if slices.Contains(ownNames, word) && !v.named {
			v.named = true
			continue
		}
		if !strings.HasPrefix(word, "-") || word == "-" {
			v.command = words[i:]
			break
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(word[1:], "-"), "=")
		store, ok := options[name]
		if !ok {
			v.ignored = append(v.ignored, word)
			continue
		}
		v.known++
		if !hasValue && !slices.Contains(switches, name) {
			if i++; i >= len(words) {
				return v, fmt.Errorf("no argument found for option %s", word)
			}
			value = words[i]
		}
		store(value)
	}
	return v, nil
}

// Wants tells whether a command line of the program is for the shell: it
// begins with the shell's options or with the name of a command.
func Wants(words []string) bool {
	v, err := parseInvocation(words)
	switch {
	case v.named:
		return true
	case len(v.ignored) > 0 || v.known == 1 && v.help:
		return false
	case len(v.command) == 0:
		return v.known > 0 || err != nil
	}
	return find(v.command[0]) != nil
}

// Suggest returns the name of a command that somebody may have meant, or "".
func Suggest(name string) string { return similar(name) }

// Main runs a command line and returns the exit code: the command that it
// names, or what standard input says. zkCli says that the program was called
// by one of Names.
func Main(words []string, zkCli bool, streams Streams) int {
	v, err := parseInvocation(words)
	if err != nil {
		return v.refuse(streams.Err, err)
	}
	if v.help {
		return v.printHelp(streams.Out)
	}
	o, err := v.settle(zkCli, streams)
	if err != nil {
		return v.refuse(streams.Err, err)
	}
	s := newShell(o)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	defer s.leave()
	return s.main(ctx, v.command)
}

// refuse says why a command line cannot be followed.
func (v *invocation) refuse(w io.Writer, err error) int {
	if v.output == "json" {
		_ = render.JSON(w, failure{Error: err.Error(), Code: "Usage"}, false) // nobody is left to be told
	} else {
		fmt.Fprintln(w, "Error:", err)
	}
	return exitFailed
}

// main runs one command, or all that the input has.
func (s *Shell) main(ctx context.Context, command []string) int {
	if s.opts.ZkCli {
		fmt.Fprintln(s.out, "Connecting to", s.opts.Servers)
		if err := s.connect(); err != nil {
			fmt.Fprintln(s.err, err)
			return exitFailed
		}
	}
	if len(command) > 0 {
		s.execute(ctx, command)
		return s.exit
	}
	if s.opts.ZkCli {
		fmt.Fprintln(s.out, "Welcome to ZooKeeper!")
	}
	if err := s.loop(ctx); err != nil {
		fmt.Fprintln(s.err, err)
		return exitFailed
	}
	return s.exit
}

func (v *invocation) printHelp(w io.Writer) int {
	fmt.Fprintf(w, "quokka shell [options] [command [arguments]]\n\n"+
		"Runs one command, or those that standard input has. help COMMAND says more about one.\n\n%s\n", OptionsHelp)
	if WriteCommands(w) != nil {
		return exitFailed
	}
	return exitOK
}

// settle makes Options of a command line, files and the environment.
func (v *invocation) settle(zkCli bool, streams Streams) (Options, error) {
	o := Options{
		ZkCli: zkCli, Servers: v.server, WaitForConnection: v.wait, JSON: v.output == "json", Colour: v.colour,
		Environ: streams.Environ, In: streams.In, Out: streams.Out, Err: streams.Err,
	}
	if !zkCli && len(v.ignored) > 0 {
		name, _, _ := strings.Cut(v.ignored[0], "=") // the value may be a secret
		return o, fmt.Errorf("unknown option %s; --help lists all", name)
	}
	if o.Servers == "" {
		o.Servers = lookup(streams.Environ, envServer)
	}
	if o.Servers == "" {
		o.Servers = defaultServer
	}
	if v.output != "" && v.output != "json" && v.output != "text" {
		return o, fmt.Errorf("-o %s: want text or json", v.output)
	}
	if !slices.Contains([]string{"", "auto", "always", "never"}, v.colour) {
		return o, fmt.Errorf("--color %s: want auto, always or never", v.colour)
	}
	ms := 30000
	if v.timeout != "" {
		var err error
		if ms, err = strconv.Atoi(v.timeout); err != nil || ms < 1 {
			return o, fmt.Errorf("-timeout %s: want milliseconds", v.timeout)
		}
	}
	o.Client = client.Options{SessionTimeout: time.Duration(ms) * time.Millisecond, ReadOnly: v.readOnly, RetryReads: 1}
	if err := v.secure(&o.Client, zkCli, streams.Environ); err != nil {
		return o, err
	}
	var err error
	o.Client.Auth, err = v.credentials(streams.Environ)
	return o, err
}

// secure sets up TLS, by our own options or as Java's client is told: by a
// file, and under the name of zkCli.sh by the properties in the variables of
// the environment that zkCli.sh hands to Java.
func (v *invocation) secure(o *client.Options, zkCli bool, environ []string) error {
	p := properties.NewProperties()
	p.DisableExpansion = true
	if zkCli {
		for _, name := range []string{"CLIENT_JVMFLAGS", "JVMFLAGS"} {
			addFlags(p, lookup(environ, name))
		}
	}
	if v.configuration != "" {
		if err := addFile(p, v.configuration); err != nil {
			return err
		}
	}
	if err := applyProperties(p, o); err != nil {
		return err
	}
	if v.tlsCA == "" && v.tlsCert == "" && v.tlsKey == "" {
		return nil
	}
	if (v.tlsCert == "") != (v.tlsKey == "") {
		return fmt.Errorf("--tls-cert and --tls-key go together; one file may hold both")
	}
	o.TLS = client.TLSFiles(v.tlsCA, v.tlsCert, v.tlsKey)
	if _, err := o.TLS(); err != nil {
		return err
	}
	return nil
}

// credentials gathers those of the options, of a file and of the environment.
func (v *invocation) credentials(environ []string) ([]client.Auth, error) {
	lines := slices.Clone(v.auth)
	if v.authFile != "" {
		text, err := os.ReadFile(v.authFile)
		if err != nil {
			return nil, fmt.Errorf("cannot read the credentials: %w", err)
		}
		lines = append(lines, strings.Split(string(text), "\n")...)
	}
	lines = append(lines, strings.Split(lookup(environ, envAuth), "\n")...)
	var all []client.Auth
	for _, line := range lines {
		if line = strings.TrimRight(line, "\r"); strings.TrimSpace(line) == "" {
			continue
		}
		scheme, credential, ok := strings.Cut(line, ":")
		if !ok || scheme == "" { // the line is a secret and is not shown
			return nil, fmt.Errorf("a credential is not of the form scheme:credential, such as digest:user:password")
		}
		all = append(all, client.Auth{Scheme: scheme, Data: []byte(credential)})
	}
	return all, nil
}
