package recipe

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// An Instance is one address at which a service can be had, as Curator's
// ServiceInstance: what [Discovery] registers and finds.
type Instance struct {
	Name    string  // of the service
	ID      string  // of the instance; unique in its service
	Address string  // a host name or an address
	Port    int     // 0: none
	SSLPort int     // 0: none
	Payload Payload // what the application adds
	// Registered is when the instance was registered, in milliseconds.
	Registered time.Time
	Type       ServiceType // how long the node lives; default: Dynamic
	URISpec    URISpec     // a template for the address; see Instance.URI
	// Disabled instances are listed, but a [Provider] does not choose them.
	Disabled bool

	// unknown are fields that a newer Curator has written. They are written
	// again when the instance is.
	unknown map[string]json.RawMessage
	enabled bool // the field stood there when it was read
}

// A ServiceType says how long the node of an instance lives, by the names of
// Curator.
type ServiceType string

// The types.
const (
	// Dynamic instances are gone when their session is. It is the default.
	Dynamic ServiceType = "DYNAMIC"
	// DynamicSequential are dynamic, and the server appends a number to the
	// name of their node.
	DynamicSequential ServiceType = "DYNAMIC_SEQUENTIAL"
	// Static instances stay until they are unregistered.
	Static ServiceType = "STATIC"
	// Permanent instances are treated as Static ones, by Curator too.
	Permanent ServiceType = "PERMANENT"
)

func (t ServiceType) dynamic() bool { return t == Dynamic || t == DynamicSequential }

// A Payload is what an application adds to an [Instance]: a JSON value and the
// Java class by which Curator reads it. The zero value is none.
type Payload struct {
	// Class is the name of the Java class. Curator demands one of everything
	// but strings, booleans, and numbers of the types Integer and Double.
	Class string
	// JSON is the value; nil and null are none.
	JSON json.RawMessage
}

// NewPayload returns v as a Payload. Class may be empty if no Java program
// reads it, or if v is a string, a boolean, an int32 or a float64; other
// programs in Java need the name of a class which they have.
func NewPayload(class string, v any) (Payload, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return Payload{}, fmt.Errorf("payload: %w", err)
	}
	p := Payload{Class: class, JSON: b}
	var back Payload
	if err := back.UnmarshalJSON(b); class == "" && (err != nil || back.Class != "") {
		return Payload{}, fmt.Errorf("payload %s: without a class it would be read as one of class %s", b, back.Class)
	}
	return p, nil
}

// None tells whether there is no payload.
func (p Payload) None() bool { return len(p.JSON) == 0 || string(p.JSON) == "null" }

// Decode stores the payload in what v points to, as [json.Unmarshal] does.
// Without a payload it leaves v alone.
func (p Payload) Decode(v any) error {
	if p.None() {
		return nil
	}
	if err := json.Unmarshal(p.JSON, v); err != nil {
		return fmt.Errorf("payload of class %q: %w", p.Class, err)
	}
	return nil
}

const classField = "@class"

// MarshalJSON writes the payload as Jackson does with JsonTypeInfo.Id.CLASS:
// the class is a field of an object; everything else stands with it in an
// array of two.
func (p Payload) MarshalJSON() ([]byte, error) {
	switch {
	case p.None():
		return []byte("null"), nil
	case p.Class == "":
		return p.JSON, nil
	}
	class, err := json.Marshal(p.Class)
	if err != nil {
		return nil, err
	}
	body := strings.TrimSpace(string(p.JSON))
	if !strings.HasPrefix(body, "{") {
		return []byte("[" + string(class) + "," + body + "]"), nil
	}
	rest := strings.TrimSpace(body[1:])
	if !strings.HasPrefix(rest, "}") {
		rest = "," + rest
	}
	return []byte(`{"` + classField + `":` + string(class) + rest), nil
}

// UnmarshalJSON reads what MarshalJSON or Jackson wrote.
func (p *Payload) UnmarshalJSON(b []byte) error {
	*p = Payload{}
	switch {
	case string(b) == "null":
		return nil
	case strings.HasPrefix(string(b), "{"):
		return p.object(b)
	case strings.HasPrefix(string(b), "["):
		var pair []json.RawMessage
		if err := json.Unmarshal(b, &pair); err != nil {
			return err
		}
		var class string
		if len(pair) == 2 && json.Unmarshal(pair[0], &class) == nil {
			*p = Payload{Class: class, JSON: pair[1]}
			return nil
		}
	}
	p.JSON = slices.Clone(b)
	return nil
}

// object takes the class out of an object and leaves the order of its other
// fields as it is.
func (p *Payload) object(b []byte) error {
	var head struct {
		Class *string `json:"@class"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return err
	}
	if head.Class == nil {
		p.JSON = slices.Clone(b)
		return nil
	}
	p.Class = *head.Class
	fields, err := orderedFields(b)
	if err != nil {
		return err
	}
	out := []byte("{")
	for _, f := range fields {
		if f.name == classField {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		key, _ := json.Marshal(f.name)
		out = append(append(append(out, key...), ':'), f.value...)
	}
	p.JSON = append(out, '}')
	return nil
}

type field struct {
	name  string
	value json.RawMessage
}

func orderedFields(b []byte) (all []field, err error) {
	d := json.NewDecoder(strings.NewReader(string(b)))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		var f field
		f.name, _ = name.(string)
		if err := d.Decode(&f.value); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// instanceJSON has the fields in the order in which Curator's
// JsonInstanceSerializer writes them.
type instanceJSON struct {
	Name       string      `json:"name"`
	ID         string      `json:"id"`
	Address    *string     `json:"address"`
	Port       *int        `json:"port"`
	SSLPort    *int        `json:"sslPort"`
	Payload    Payload     `json:"payload"`
	Registered int64       `json:"registrationTimeUTC"`
	Type       ServiceType `json:"serviceType"`
	URISpec    *uriJSON    `json:"uriSpec"`
	Enabled    *bool       `json:"enabled,omitempty"`
}

var knownFields = []string{
	"name", "id", "address", "port", "sslPort", "payload", "registrationTimeUTC", "serviceType", "uriSpec", "enabled",
}

// MarshalJSON writes the instance as Curator's JsonInstanceSerializer does.
// The field enabled, which Curator before 2.12 cannot read (CURATOR-275), is
// only written if the instance is disabled or had it when it was read.
func (i Instance) MarshalJSON() ([]byte, error) {
	j := instanceJSON{
		Name: i.Name, ID: i.ID, Payload: i.Payload, Type: i.Type, Registered: i.Registered.UnixMilli(),
		URISpec: i.URISpec.json(), Port: numberOrNull(i.Port), SSLPort: numberOrNull(i.SSLPort),
	}
	if i.Registered.IsZero() {
		j.Registered = 0
	}
	if i.Address != "" {
		j.Address = &i.Address
	}
	if j.Type == "" {
		j.Type = Dynamic
	}
	if i.Disabled || i.enabled {
		j.Enabled = new(!i.Disabled)
	}
	b, err := json.Marshal(j)
	if err != nil || len(i.unknown) == 0 {
		return b, err
	}
	b = b[:len(b)-1]
	for _, name := range slices.Sorted(maps.Keys(i.unknown)) {
		key, _ := json.Marshal(name)
		b = append(append(append(append(b, ','), key...), ':'), i.unknown[name]...)
	}
	return append(b, '}'), nil
}

// UnmarshalJSON reads what Curator wrote. Fields it does not know are kept.
func (i *Instance) UnmarshalJSON(b []byte) error {
	var j instanceJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("service instance: %w", err)
	}
	if j.Name == "" && j.ID == "" {
		return errors.New("service instance: it has neither name nor id: this is no instance that Curator wrote")
	}
	*i = Instance{Name: j.Name, ID: j.ID, Payload: j.Payload, Type: j.Type, URISpec: j.URISpec.spec()}
	if j.Address != nil {
		i.Address = *j.Address
	}
	if j.Port != nil {
		i.Port = *j.Port
	}
	if j.SSLPort != nil {
		i.SSLPort = *j.SSLPort
	}
	if j.Registered != 0 {
		i.Registered = time.UnixMilli(j.Registered)
	}
	if j.Enabled != nil {
		i.enabled, i.Disabled = true, !*j.Enabled
	}
	if i.Type == "" {
		i.Type = Dynamic
	}
	all := make(map[string]json.RawMessage)
	if err := json.Unmarshal(b, &all); err != nil {
		return err
	}
	for _, name := range knownFields {
		delete(all, name)
	}
	if len(all) > 0 {
		i.unknown = all
	}
	return nil
}

func numberOrNull(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}

// URI builds the instance's address by its URISpec, with variables that add to
// and replace the predefined ones. Without a URISpec it is empty.
func (i Instance) URI(variables map[string]string) string { return i.URISpec.Build(i, variables) }
