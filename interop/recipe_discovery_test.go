package interop

import (
	"fmt"
	"slices"
	"strings"

	"quokka/recipe"
)

// payloadClass is how Java calls the nested class Payload of testdata/curator/Peer.java.
const payloadClass = "Peer$Payload"

type payload struct {
	Role   string `json:"role"`
	Weight int    `json:"weight"`
}

// described is an instance in the words of Peer.java.
func described(i recipe.Instance) string {
	p := "-"
	var v payload
	if err := i.Payload.Decode(&v); err != nil {
		p = err.Error()
	} else if !i.Payload.None() {
		p = fmt.Sprintf("%s/%d", v.Role, v.Weight)
	}
	orNull := func(n int) string {
		if n == 0 {
			return "null"
		}
		return fmt.Sprint(n)
	}
	uri := "-"
	if i.URISpec != nil {
		uri = i.URI(nil)
	}
	return strings.Join([]string{i.Name, i.ID, i.Address, orNull(i.Port), orNull(i.SSLPort), string(i.Type), p, uri, fmt.Sprint(!i.Disabled)}, " ")
}

// curatorDiscovery registers on each side what the other one finds, and looks at all of it from both.
func curatorDiscovery(b *bench) {
	d := recipe.NewDiscovery(b.c, "/discovery", recipe.DiscoveryOptions{})
	at := func(more args) args {
		more["path"], more["service"] = "/discovery", "web"
		return more
	}
	do[any](b, "curator1", "discovery.register", at(args{"key": "java-1", "host": "10.0.0.1", "port": 8080, "role": "blue", "weight": 3}))
	spec, err := recipe.ParseURISpec("{scheme}://{address}:{ssl-port}/y")
	must(b.t, err)
	load, err := recipe.NewPayload(payloadClass, payload{"grün", 7})
	must(b.t, err)
	r, err := d.Register(b.ctx, recipe.Instance{
		Name: "web", ID: "go-1", Address: "10.0.0.2", SSLPort: 8443, Payload: load, URISpec: spec,
	})
	must(b.t, err)
	plain, err := d.Register(b.ctx, recipe.Instance{Name: "web", ID: "go-2", Address: "host", Port: 1, Type: recipe.Static, Disabled: true})
	must(b.t, err)
	provider, err := d.Provider(b.ctx, "web", recipe.ProviderOptions{})
	must(b.t, err)
	defer provider.Close()

	both := func(want ...string) {
		b.t.Helper()
		theirs := do[[]string](b, "curator2", "discovery.query", at(args{}))
		slices.Sort(theirs)
		if !slices.Equal(theirs, want) {
			b.t.Errorf("Curator finds\n%s\nwant\n%s", strings.Join(theirs, "\n"), strings.Join(want, "\n"))
		}
		all, err := d.Instances(b.ctx, "web")
		must(b.t, err)
		var ours []string
		for _, i := range all {
			ours = append(ours, described(i))
		}
		slices.Sort(ours)
		if !slices.Equal(ours, want) {
			b.t.Errorf("Go finds\n%s\nwant\n%s", strings.Join(ours, "\n"), strings.Join(want, "\n"))
		}
		b.eventually("the Provider to know as much", func() (bool, error) { return len(provider.All()) == len(want), nil })
	}
	goOne := "web go-1 10.0.0.2 null 8443 DYNAMIC grün/7 https://10.0.0.2:8443/y true"
	goTwo := "web go-2 host 1 null STATIC - - false"
	javaOne := "web java-1 10.0.0.1 8080 null DYNAMIC blue/3 http://10.0.0.1:8080/x true"
	both(goOne, goTwo, javaOne)
	if names := do[[]string](b, "curator2", "discovery.names", at(args{})); !slices.Equal(names, []string{"web"}) {
		b.t.Errorf("Curator finds the services %q", names)
	}
	if names, err := d.Names(b.ctx); !slices.Equal(names, []string{"web"}) || err != nil {
		b.t.Errorf("Go finds the services %q, %v", names, err)
	}
	must(b.t, r.Update(b.ctx, recipe.Instance{Name: "web", ID: "go-1", Address: "10.0.0.9", SSLPort: 8443, Payload: load, URISpec: spec}))
	both(strings.ReplaceAll(goOne, "10.0.0.2", "10.0.0.9"), goTwo, javaOne)
	do[any](b, "curator1", "discovery.unregister", at(args{"key": "java-1"}))
	must(b.t, plain.Unregister(b.ctx))
	both(strings.ReplaceAll(goOne, "10.0.0.2", "10.0.0.9"))
	must(b.t, r.Unregister(b.ctx))
	both()
}
