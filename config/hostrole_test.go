package config

import (
	"strings"
	"testing"
)

// One role of one server reads whatever it owns or was granted, whichever database or schema
// its connection names: two cities have no role in common, neither to run nor to own.
func TestHostTellsRolesApart(t *testing.T) {
	postgres := func(url, owner, schema string) []string {
		text := "url: " + url + "\n  schema: " + schema
		if owner != "" {
			text += "\n  owner_url: " + owner
		}
		return []string{"url: sqlite:data/kakehashi.db\n  max_size: 10GiB", text}
	}
	const a, aOwner = "postgres://a@db.example/kakehashi", "postgres://a_owner@db.example/kakehashi"
	for _, c := range []struct {
		name, url, owner string
		wrong            int
	}{
		{"roles of its own", "postgres://b@db.example/kakehashi", "postgres://b_owner@db.example/kakehashi", 0},
		{"no owner", "postgres://b@db.example/kakehashi", "", 0},
		{"one role for both its tasks", "postgres://b@db.example/kakehashi", "postgres://b@db.example/kakehashi", 0},
		{"the other's role", "postgres://a@DB.example:5432/kakehashi", "", 1},
		{"the other's role, another database", "postgres://a@db.example/other", "", 1},
		{"the other's owner runs it", "postgres://a_owner@db.example/kakehashi", "", 1},
		{"the same owner", "postgres://b@db.example/kakehashi", aOwner, 1},
		{"the other's role owns it", "postgres://b@db.example/kakehashi", a, 1},
		{"another server", "postgres://a@db2.example/kakehashi", "postgres://a_owner@db2.example/kakehashi", 0},
	} {
		dir := hostFolder(t, twoByHost, map[string][]string{
			"a": postgres(a, aOwner, "city_a"), "b": append(cityB(), postgres(c.url, c.owner, "city_b")...),
		})
		_, wrong := told(t, dir)
		if len(wrong) != c.wrong || c.wrong > 0 && !strings.Contains(wrong[0], "KKH0169") {
			t.Errorf("%s: %s", c.name, strings.Join(wrong, "\n"))
		}
	}
}
