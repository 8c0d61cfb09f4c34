package config

import (
	"maps"
	"slices"
	"strings"
)

// strength says on which side of zoo.cfg a Java system property stands.
type strength int

const (
	weak   strength = iota // zookeeper.K, which zoo.cfg overrides
	strong                 // a property that zoo.cfg cannot set in Java
)

// collectProperties gathers -D settings, keyed by the name of the property; the last of a name wins, as in Java.
func (l *loader) collectProperties() []setting {
	var found []setting
	var others []string
	for _, name := range []string{"SERVER_JVMFLAGS", "JVMFLAGS"} {
		flags := parseJVMFlags(l.environ(name))
		for _, p := range flags.properties {
			found = append(found, propertySetting(p, name))
		}
		others = append(others, flags.others...)
	}
	for _, p := range l.args.Properties {
		found = append(found, propertySetting(strings.TrimPrefix(p, "-D"), "command line"))
	}
	found = lastOfEach(found)
	for _, s := range found {
		if !l.reportProperty(s) {
			others = append(others, "-D"+quote(s.key))
		}
	}
	if len(others) > 0 {
		l.tell(Notice{Level: Info, Text: "flags of the Java machine that have no meaning here: " + strings.Join(others, " ")})
	}
	return found
}

func propertySetting(text, source string) setting {
	name, value, _ := strings.Cut(text, "=")
	return setting{key: trim(name), value: trim(value), file: source + " -D" + quote(trim(name))}
}

func (l *loader) environ(name string) string {
	value := ""
	for _, e := range l.args.Environ {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}

// reportProperty tells about a -D that sets nothing. It returns false if the property is none of ZooKeeper's.
func (l *loader) reportProperty(s setting) bool {
	if rowOfProperty(s.key) != nil {
		return true
	}
	key, ok := strings.CutPrefix(s.key, javaPrefix)
	if !ok {
		return false
	}
	r := findRow(key)
	n := s.notice(Warn, "")
	n.Key = s.key
	switch {
	case strings.HasPrefix(key, "log.") || key == "root.logger" || key == "console.threshold":
		return false
	case r != nil && r.form == bare:
		n.Text = s.key + " has no effect, as in Java; write -D" + r.key
	case r != nil || isMemberKey(key):
		n.Text = s.key + " has no effect, as in Java; write " + key + " in zoo.cfg"
	case findFamily(key) != nil:
		n.Text = s.key + " has no effect in Quokka yet (" + findFamily(key).doc + ")"
	default:
		n.Text = quote(s.key) + " is not a property of ZooKeeper and has no effect" + didYouMean(s.key, knownProperties())
	}
	l.tell(n)
	return true
}

// applyProperties puts the -D settings of one strength under the keys they set. Older names come first, so that the
// newer name of the same setting wins.
func (l *loader) applyProperties(properties []setting, side strength) {
	for _, older := range []bool{true, false} {
		for _, s := range properties {
			r := rowOfProperty(s.key)
			if r == nil || older != (r.property() != s.key) {
				continue
			}
			isStrong := r.form == bare
			if isStrong == (side == strong) {
				l.put(setting{key: r.key, value: s.value, file: s.file})
			}
		}
	}
}

func rowOfProperty(name string) *row {
	for i := range table {
		if r := &table[i]; name != "" && r.property() == name || slices.Contains(r.also, name) {
			return r
		}
	}
	return nil
}

func knownProperties() []string {
	var names []string
	for i := range table {
		if p := table[i].property(); p != "" {
			names = append(names, p)
		}
	}
	return names
}

// readEnviron applies QUOKKA_* variables.
func (l *loader) readEnviron() {
	keys := make(map[string]string, len(table))
	for i := range table {
		keys[EnvName(table[i].key)] = table[i].key
	}
	for _, e := range l.args.Environ {
		name, value, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, envPrefix) || trim(value) == "" {
			continue
		}
		s := setting{key: keys[name], value: trim(value), file: name}
		if s.key == "" {
			s.key = memberKeyOfEnv(name)
		}
		switch {
		case isServiceLink(name, value):
			if s.key != "" {
				l.tell(Notice{Level: Warn, File: name, Key: s.key, Text: "looks like a service link of Kubernetes and is ignored; " +
					"set enableServiceLinks: false, or give the service another name"})
			}
		case s.key != "":
			l.put(s)
		default:
			l.tell(Notice{Level: Warn, File: quote(name), Text: "no key has this variable, it has no effect" + didYouMean(name, slices.Sorted(maps.Keys(keys)))})
		}
	}
}

// memberKeyOfEnv maps QUOKKA_SERVER_3 to server.3, and the same for group and weight.
func memberKeyOfEnv(name string) string {
	word, number, ok := strings.Cut(strings.TrimPrefix(name, envPrefix), "_")
	if _, isNumber := parseDecimal(number, 64); !ok || !isNumber {
		return ""
	}
	if key := strings.ToLower(word) + "." + number; isMemberKey(key) {
		return key
	}
	return ""
}

// isServiceLink recognises the variables that Kubernetes makes for a service named quokka or quokka-client:
// QUOKKA_CLIENT_PORT=tcp://10.0.0.1:2181 would otherwise be taken for the client port.
func isServiceLink(name, value string) bool {
	for _, scheme := range []string{"tcp://", "udp://", "sctp://"} {
		if strings.HasPrefix(value, scheme) {
			return true
		}
	}
	for _, part := range []string{"_SERVICE_HOST", "_SERVICE_PORT", "_TCP_ADDR", "_TCP_PORT", "_TCP_PROTO"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// readOverrides applies explicit flags.
func (l *loader) readOverrides() {
	for _, name := range slices.Sorted(maps.Keys(l.args.Overrides)) {
		s := setting{key: keyOfFlag(name), value: trim(l.args.Overrides[name]), file: "--" + name}
		if s.key == "" {
			l.fail(&Error{File: "--" + quote(name), Want: "no key has this flag" + didYouMean(name, knownFlags())})
			continue
		}
		l.put(s)
	}
}

func keyOfFlag(name string) string {
	for i := range table {
		if r := &table[i]; r.key == name || FlagName(r.key) == name {
			return r.key
		}
	}
	if isMemberKey(name) {
		return name
	}
	return ""
}

func knownFlags() []string {
	flags := make([]string, 0, len(table))
	for i := range table {
		flags = append(flags, FlagName(table[i].key))
	}
	return flags
}
