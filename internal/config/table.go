package config

import (
	"iter"
	"math"
	"slices"
	"strings"
)

// form says how Java reaches a setting.
type form int

const (
	direct   form = iota // QuorumPeerConfig.parseProperties knows the key; there is no system property
	prefixed             // system property zookeeper.KEY, which the key in zoo.cfg sets
	bare                 // system property KEY, which nothing in zoo.cfg can set in Java
)

// kind is how a value is written.
type kind int

const (
	kindInt      kind = iota // Integer.parseInt: decimal, 32 bits
	kindDecode               // Integer.getInteger: decimal, 0x, # or a leading 0; 32 bits
	kindLong                 // as kindDecode with 64 bits
	kindFloat                // decimal fraction
	kindBool                 // true or false in any case
	kindYesNo                // yes or no
	kindString               // any text
	kindPath                 // a file name
	kindEnum                 // one of row.oneOf in any case
	kindList                 // words between commas
	kindWords                // four letter words between commas, or *
	kindInterval             // hours, or a number with ms, s, m, h, d (Java Time.parseTimeInterval)
	kindSecret               // any text, never shown
)

// row is one key: all that the rest of the package, the flags and the documentation know about it.
type row struct {
	key   string
	form  form
	kind  kind
	def   string   // as one would write it; empty means not set, or computed (see finish)
	min   int64    // smallest allowed number
	max   int64    // largest allowed number; 0 is the largest of the kind
	floor int64    // smaller allowed numbers are raised to it, with a notice, as Java does; 0 is none
	unit  string   // of a number
	oneOf []string // of kindEnum
	also  []string // older system properties, which property() overrides
	doc   string
	done  bool              // the server obeys it
	at    func(*Config) any // pointer to the field; nil if there is none
}

// table lists every key that this package or Java ZooKeeper knows.
var table = slices.Concat(networkRows, storageRows, featureRows, limitRows, authRows, adminRows, ensembleRows, peerRows, foreignRows)

// families are keys with a free part after the prefix.
var families = []family{
	{"server.", "a member of the ensemble: host:quorumPort:electionPort[:role][;[clientHost:]clientPort]", true},
	{"group.", "the servers of one group, id:id:...", true},
	{"weight.", "votes of a server in its group", true},
	{"authProvider.", "class of an authentication provider", false},
	{"superUser.", "further SASL users with all rights", false},
	{"metricsProvider.", "settings of the metrics provider", false},
	{"ssl.", "TLS to clients", false},
	{"ssl.quorum.", "TLS between servers", false},
	{"sasl.", "SASL details", false},
	{"pathStats.", "statistics by path", false},
	{"admin.", "administration server", false},
}

type family struct {
	prefix string
	doc    string
	done   bool
}

// property returns the Java system property of the key, or an empty text.
func (r *row) property() string {
	switch r.form {
	case prefixed:
		return javaPrefix + r.key
	case bare:
		return r.key
	}
	return ""
}

const javaPrefix = "zookeeper."

// limits returns the allowed numbers of an integer row.
func (r *row) limits() (lo, hi int64) {
	hi = r.max
	if hi == 0 {
		hi = math.MaxInt32
		if r.kind == kindLong || r.kind == kindInterval {
			hi = math.MaxInt64
		}
	}
	return r.min, hi
}

func findRow(key string) *row {
	for i := range table {
		if table[i].key == key {
			return &table[i]
		}
	}
	return nil
}

func findFamily(key string) *family {
	for i := range families {
		if strings.HasPrefix(key, families[i].prefix) {
			return &families[i]
		}
	}
	return nil
}

// KeyInfo describes one key to the command line and to documentation.
type KeyInfo struct {
	Key         string // in zoo.cfg
	Property    string // Java system property; empty if there is none
	Env         string // environment variable
	Flag        string // command line flag without dashes
	Type        string // what is allowed, in words
	Default     string // empty if there is none or it is computed
	Doc         string
	Implemented bool // this server obeys it
	Boolean     bool // true or false
}

// Keys yields every key in the order of the documentation.
func Keys() iter.Seq[KeyInfo] {
	return func(yield func(KeyInfo) bool) {
		for i := range table {
			r := &table[i]
			info := KeyInfo{
				Key: r.key, Property: r.property(), Env: EnvName(r.key), Flag: FlagName(r.key), Type: r.want(),
				Default: r.def, Doc: r.doc, Implemented: r.done, Boolean: r.kind == kindBool,
			}
			if !yield(info) {
				return
			}
		}
	}
}

const envPrefix = "QUOKKA_"

// EnvName returns the environment variable of a key: clientPort is QUOKKA_CLIENT_PORT, 4lw.commands.whitelist is
// QUOKKA_4LW_COMMANDS_WHITELIST. A word ends where a small letter or digit meets a capital, and before the last
// capital of several that a small letter follows, unless that is a plural s (IPs); dots and dashes become underscores.
func EnvName(key string) string {
	return envPrefix + strings.ToUpper(splitWords(key, '_'))
}

// FlagName returns the command line flag of a key, without dashes: clientPort is client-port.
func FlagName(key string) string {
	return strings.ToLower(splitWords(key, '-'))
}

func splitWords(key string, separator byte) string {
	out := make([]byte, 0, len(key)+8)
	for i := range len(key) {
		b := key[i]
		switch {
		case b == '.' || b == '_' || b == '-':
			out = append(out, separator)
			continue
		case isCapital(b) && i > 0 && startsWord(key, i):
			out = append(out, separator)
		}
		out = append(out, b)
	}
	return string(out)
}

// startsWord reports whether the capital at key[i], which is not the first byte, begins a word.
func startsWord(key string, i int) bool {
	before := key[i-1]
	if isSmall(before) || isDigit(before) {
		return true
	}
	if !isCapital(before) || i+1 == len(key) || !isSmall(key[i+1]) {
		return false
	}
	plural := key[i+1] == 's' && (i+2 == len(key) || !isSmall(key[i+2]))
	return !plural
}

func isCapital(b byte) bool { return 'A' <= b && b <= 'Z' }
func isSmall(b byte) bool   { return 'a' <= b && b <= 'z' }
func isDigit(b byte) bool   { return '0' <= b && b <= '9' }
