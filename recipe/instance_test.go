package recipe

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// What Jackson 2.14 writes with the annotations of Curator's ServiceInstance.
func TestPayloadsAreWrittenAsJacksonDoes(t *testing.T) {
	type pojo struct {
		Description string `json:"description"`
		N           int    `json:"n"`
	}
	for _, tt := range []struct {
		class string
		value any
		want  string
	}{
		{"", "str", `"str"`},
		{"", 5, `5`},
		{"java.lang.Long", 5, `["java.lang.Long",5]`},
		{"", true, `true`},
		{"", nil, `null`},
		{"J$Pojo", pojo{"hi", 3}, `{"@class":"J$Pojo","description":"hi","n":3}`},
		{"java.util.ArrayList", []any{"a", 1.0}, `["java.util.ArrayList",["a",1]]`},
		{"java.util.HashMap", map[string]any{"k": "v"}, `{"@class":"java.util.HashMap","k":"v"}`},
		{"java.util.HashMap", map[string]any{}, `{"@class":"java.util.HashMap"}`},
		{"[B", []byte{1, 2}, `["[B","AQI="]`},
	} {
		p, err := NewPayload(tt.class, tt.value)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(p)
		if err != nil || string(b) != tt.want {
			t.Errorf("%v: %s, want %s: %v", tt.value, b, tt.want, err)
		}
		var back Payload
		if err := json.Unmarshal(b, &back); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		if back.Class != tt.class || !back.None() && string(back.JSON) != string(p.JSON) {
			t.Errorf("%s came back as %q %s", b, back.Class, back.JSON)
		}
	}
}

func TestPayloadThatLooksLikeAClass(t *testing.T) {
	for _, v := range []any{[]any{"a", 1}, map[string]any{"@class": "x"}} {
		if p, err := NewPayload("", v); err == nil {
			t.Errorf("%+v", p)
		}
	}
}

func TestPayloadDecodes(t *testing.T) {
	var p Payload
	if err := json.Unmarshal([]byte(`{"b":1,"@class":"x.Y","a":{"@class":"inner"}}`), &p); err != nil {
		t.Fatal(err)
	}
	if p.Class != "x.Y" || string(p.JSON) != `{"b":1,"a":{"@class":"inner"}}` {
		t.Errorf("class %q, %s", p.Class, p.JSON)
	}
	var v struct{ B int }
	if err := p.Decode(&v); err != nil || v.B != 1 {
		t.Errorf("decoded %+v: %v", v, err)
	}
	if err := p.Decode(new(string)); err == nil {
		t.Error("an object went into a string")
	}
}

func TestInstanceIsWrittenAsCuratorDoes(t *testing.T) {
	spec, err := ParseURISpec("{scheme}://{address}:{port}")
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := NewPayload("discovery.InstanceDetails", map[string]string{"description": "a"})
	full := Instance{
		Name: "web", ID: "17", Address: "10.0.0.1", Port: 8080, Payload: payload,
		Registered: time.UnixMilli(1700000000123), Type: Static, URISpec: spec,
	}
	const uri = `{"parts":[{"value":"scheme","variable":true},{"value":"://","variable":false},{"value":"address","variable":true},` +
		`{"value":":","variable":false},{"value":"port","variable":true}]}`
	for _, tt := range []struct {
		i    Instance
		want string
	}{
		{full, `{"name":"web","id":"17","address":"10.0.0.1","port":8080,"sslPort":null,"payload":{"@class":"discovery.InstanceDetails",` +
			`"description":"a"},"registrationTimeUTC":1700000000123,"serviceType":"STATIC","uriSpec":` + uri + `}`},
		{Instance{Name: "n", ID: "i"}, `{"name":"n","id":"i","address":null,"port":null,"sslPort":null,"payload":null,` +
			`"registrationTimeUTC":0,"serviceType":"DYNAMIC","uriSpec":null}`},
		{Instance{Name: "n", ID: "i", Disabled: true}, `{"name":"n","id":"i","address":null,"port":null,"sslPort":null,"payload":null,` +
			`"registrationTimeUTC":0,"serviceType":"DYNAMIC","uriSpec":null,"enabled":false}`},
	} {
		b, err := json.Marshal(tt.i)
		if err != nil || string(b) != tt.want {
			t.Errorf("%s\nwant %s: %v", b, tt.want, err)
		}
		var back Instance
		if err := json.Unmarshal(b, &back); err != nil {
			t.Error(err)
		}
		if again, _ := json.Marshal(back); string(again) != tt.want {
			t.Errorf("read and written again: %s", again)
		}
	}
}

func TestInstanceKeepsWhatItDoesNotKnow(t *testing.T) {
	const newer = `{"name":"n","id":"i","address":null,"port":null,"sslPort":null,"payload":null,"registrationTimeUTC":0,` +
		`"serviceType":"DYNAMIC","uriSpec":null,"enabled":true,"weight":{"a":[1,2]},"zone":"b"}`
	var i Instance
	if err := json.Unmarshal([]byte(newer), &i); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(i); err != nil || string(b) != newer {
		t.Errorf("%s: %v", b, err)
	}
	i.Disabled = true
	b, _ := json.Marshal(i)
	var back Instance
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, i) {
		t.Errorf("%+v, want %+v: %v", back, i, err)
	}
}

func TestForeignDataIsNoInstance(t *testing.T) {
	for _, s := range []string{"", "host:80", "{}", "[]", `{"name":5}`, `{"name":"a","port":"x"}`} {
		var i Instance
		if err := json.Unmarshal([]byte(s), &i); err == nil {
			t.Errorf("%q was read as %+v", s, i)
		}
	}
}

func TestURISpec(t *testing.T) {
	plain := Instance{Name: "web", ID: "7", Address: "h", Port: 80, Type: Dynamic, Registered: time.UnixMilli(5)}
	ssl := plain
	ssl.SSLPort = 443
	for _, tt := range []struct {
		spec string
		i    Instance
		vars map[string]string
		want string
	}{
		{"{scheme}://{address}:{port}", plain, nil, "http://h:80"},
		{"{scheme}://{ address }:{ssl-port}/{name}/{id}", ssl, nil, "https://h:443/web/7"},
		{"{[}{]}{service-type}{registration-time-utc}", plain, nil, "{}dynamic5"},
		{"{port}{mine}{unknown}", plain, map[string]string{"port": "1", "mine": "x"}, "1x"},
		{"plain", plain, nil, "plain"},
		{"", plain, nil, ""},
	} {
		u, err := ParseURISpec(tt.spec)
		if err != nil {
			t.Errorf("%s: %v", tt.spec, err)
		}
		if got := u.Build(tt.i, tt.vars); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.spec, got, tt.want)
		}
	}
	for _, bad := range []string{"{", "}", "a{b{c}}", "{a}}", "{a"} {
		if u, err := ParseURISpec(bad); err == nil {
			t.Errorf("%s was read as %v", bad, u)
		}
	}
}
