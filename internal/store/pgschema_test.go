package store_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"kakehashi/internal/store"
	"kakehashi/internal/storetest"
)

var update = flag.Bool("update", false, "write the listing of the schema anew")

func schemaOf(t *testing.T, db *store.DB) (has, wants []store.Object, err error) {
	t.Helper()
	err = store.Read(t.Context(), db, func(ctx context.Context, tx *store.Tx) (err error) {
		has, wants, err = store.Schema(ctx, tx)
		return err
	})
	return has, wants, err
}

// TestSchemaListing holds the listing to what the migrations make. After a migration was
// changed: go test ./internal/store -run TestSchemaListing -update.
func TestSchemaListing(t *testing.T) {
	at := storetest.Postgres(t)
	db := at.Open(t)
	_, version, err := store.Migrate(t.Context(), at.Config)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("migrations/postgres/schema/%05d.txt", version)
	if *update {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	has, wants, err := schemaOf(t, db)
	if err != nil && !*update {
		t.Fatal(err)
	}
	if *update {
		var b strings.Builder
		for _, o := range has {
			fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", o.Kind, o.Name, o.Table, o.SQL)
		}
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wants, has); diff != "" {
		t.Errorf("the listing is not what the migrations make (-listing +schema):\n%s", diff)
	}
}
