package recipe

import (
	"errors"
	"strconv"
	"strings"
)

// A URISpec is a template for the address of an [Instance], such as
// {scheme}://{address}:{port}/api. It is a list of parts, as Curator's UriSpec
// is. The zero value is none.
//
// The variables are scheme (https if the instance has an SSL port, else http),
// name, id, address, port, ssl-port, registration-time-utc, service-type, and
// [ and ] for the braces themselves. Unknown ones become nothing.
type URISpec []URIPart

// A URIPart is literal text, or a variable's name.
type URIPart struct {
	Value    string // the text, or the name
	Variable bool   // it is a name
}

// ParseURISpec reads a template.
func ParseURISpec(s string) (URISpec, error) {
	var spec URISpec
	for s != "" {
		open := strings.IndexAny(s, "{}")
		switch {
		case open < 0:
			return append(spec, URIPart{Value: s}), nil
		case s[open] == '}':
			return nil, errors.New("URI template: a } without {; write {]} for the character itself")
		case open > 0:
			spec = append(spec, URIPart{Value: s[:open]})
		}
		s = s[open+1:]
		end := strings.IndexAny(s, "{}")
		if end < 0 || s[end] == '{' {
			return nil, errors.New("URI template: a { without }; write {[} for the character itself")
		}
		if end > 0 {
			spec = append(spec, URIPart{Value: strings.TrimSpace(s[:end]), Variable: true})
		}
		s = s[end+1:]
	}
	return spec, nil
}

// Build fills the template for an instance. variables add to the predefined
// ones and replace them.
func (u URISpec) Build(i Instance, variables map[string]string) string {
	values := map[string]string{
		"[": "{", "]": "}", "scheme": "http", "name": i.Name, "id": i.ID, "address": i.Address,
		"port": digits(i.Port), "ssl-port": digits(i.SSLPort), "registration-time-utc": "0",
		"service-type": strings.ToLower(string(i.Type)),
	}
	if !i.Registered.IsZero() {
		values["registration-time-utc"] = strconv.FormatInt(i.Registered.UnixMilli(), 10)
	}
	if i.SSLPort != 0 {
		values["scheme"] = "https"
	}
	var b strings.Builder
	for _, p := range u {
		switch value, ok := variables[p.Value]; {
		case !p.Variable:
			b.WriteString(p.Value)
		case ok:
			b.WriteString(value)
		default:
			b.WriteString(values[p.Value])
		}
	}
	return b.String()
}

// String returns the template.
func (u URISpec) String() string {
	var b strings.Builder
	for _, p := range u {
		if p.Variable {
			b.WriteString("{" + p.Value + "}")
		} else {
			b.WriteString(p.Value)
		}
	}
	return b.String()
}

type uriJSON struct {
	Parts []uriPartJSON `json:"parts"`
}

type uriPartJSON struct {
	Value    string `json:"value"`
	Variable bool   `json:"variable"`
}

func (u URISpec) json() *uriJSON {
	if u == nil {
		return nil
	}
	j := &uriJSON{Parts: make([]uriPartJSON, len(u))}
	for i, p := range u {
		j.Parts[i] = uriPartJSON(p)
	}
	return j
}

func (j *uriJSON) spec() URISpec {
	if j == nil {
		return nil
	}
	u := make(URISpec, len(j.Parts))
	for i, p := range j.Parts {
		u[i] = URIPart(p)
	}
	return u
}

func digits(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
