package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/fault"
)

// talkative says everything that a Validate should not: the value itself, in several
// errors at once, with fields in every spelling.
type talkative struct {
	Secret string   `config:"secret" doc:"s"`
	List   []string `config:"list" doc:"l"`
	Inner  []spoken `config:"inner" doc:"i"`
}

func (v talkative) Validate() error {
	if v.Secret == "" {
		return nil
	}
	return errors.Join(
		fault.New(fault.Invalid, "%s は使えません", v.Secret).WithCode("KKH0140").WithField("secret"),
		fmt.Errorf("wrapped: %w", errors.Join(
			fault.New(fault.Invalid, "二つ目は %s です", v.List[1]).WithField("/list/1"),
			fault.New(fault.Invalid, "ない項目").WithField("list[0].none"),
		)),
		errors.New("全体がおかしい"),
	)
}

type spoken struct {
	Name string `config:"name" doc:"n"`
}

func (v *spoken) Validate() error {
	if v.Name == "bad!" {
		return fault.New(fault.Invalid, "名前が違います").WithField("name")
	}
	return nil
}

type speaking struct {
	One  talkative         `config:"one" doc:"1"`
	Many map[string]spoken `config:"many" doc:"m"`
}

func TestWhatValidateSaysIsPutInItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yaml")
	check := func(name, content, want string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, p := range load(&speaking{}, path, nil) {
			fmt.Fprintln(&got, strings.TrimPrefix(p.String(), filepath.Dir(path)+"/"))
		}
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	check("several, with values", "one:\n  secret: hunter2\n  list:\n    - first\n    - second\n", `x.yaml:1:1: KKH0119 「one」: 全体がおかしい
x.yaml:2:11: KKH0140 「one.secret」: （値は表示しません） は使えません
x.yaml:4:7: KKH0119 「one.list[1].none」: ない項目
x.yaml:5:7: KKH0119 「one.list[2]」: 二つ目は （値は表示しません） です
`)
	check("inner first, and then not the outer one", "one:\n  secret: hunter2\n  list: [a, b]\n  inner:\n    - name: good\n    - name: bad!\n",
		"x.yaml:6:13: KKH0119 「one.inner[2].name」: 名前が違います\n")
	check("under a free name", "many:\n  a:\n    name: bad!\n", "x.yaml:3:11: KKH0119 「many.a.name」: 名前が違います\n")
	check("not of what could not be read", "one:\n  secret: 5\n  list: [a, b]\n", "x.yaml:2:11: KKH0114 「secret」には文字列を書いてください。引用符「\"」で囲んでください。\n")
}
