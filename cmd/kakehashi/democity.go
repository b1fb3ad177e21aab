package main

import (
	"path/filepath"
	"time"

	"kakehashi/adapters/address"
	"kakehashi/config"
	"kakehashi/internal/audit"
	"kakehashi/internal/sandbox"
	"kakehashi/internal/staff"
	"kakehashi/internal/store"
	"kakehashi/internal/wire"
)

// The codes of the demo's example, which every persona's case allows.
const (
	exampleProcedure = "registration"
	examplePurpose   = "new-application"
	exampleReason    = "counter"
)

// procedures are the assessment's three procedures (I.1, ②) as a city might grant them:
// registration sees all, a notification sees who and where somebody is, a payment sees the
// tax class alone. A real city writes its own, with the dates of its legal basis.
func procedures() []staff.Procedure {
	const basis = "番号法第9条第2項、個人番号の利用及び特定個人情報の提供に関する条例第4条・別表第1の2"
	worker := []string{string(staff.CaseWorker)}
	person := []string{"name", "kana", "alias", "birth_date", "sex", "relation", "household_number", "residency",
		"postal_code", "address", "address_extra", "phone"}
	all := append(append([]string{}, person...), "tax_class")
	reasons := []staff.Code{{Code: exampleReason, Name: "窓口での問合せ（案件を作る前）"}, {Code: "phone", Name: "本人からの電話"}}
	return []staff.Procedure{
		{
			ID: exampleProcedure, Name: "受給資格の登録（新規認定・転入）", LegalBasis: basis + "（登録申請）",
			Purposes: []staff.Code{{Code: examplePurpose, Name: "新規認定の審査"}, {Code: "moved-in", Name: "転入による認定の審査"}, {Code: "inquiry", Name: "問合せへの対応"}},
			Rights:   []staff.Right{{Roles: worker, Items: all}}, WithoutCase: reasons,
			Changes: []string{"registration", "mailing_address"},
		},
		{
			ID: "notification", Name: "届出（変更・喪失）", LegalBasis: basis + "（条例第7条の届出）",
			Purposes: []staff.Code{{Code: "change", Name: "変更の届出の審査"}, {Code: "loss", Name: "資格喪失の確認"}},
			Rights:   []staff.Right{{Roles: worker, Items: person}},
			Changes:  []string{"mailing_address"},
		},
		{
			ID: "payment", Name: "医療費の支給申請", LegalBasis: basis + "（支給申請）",
			Purposes: []staff.Code{{Code: "claim", Name: "支給額の算定（課税状況の確認）"}},
			Rights:   []staff.Right{{Roles: worker, Items: []string{"tax_class"}}},
		},
	}
}

// demoConfig is the demo's configuration: the same file that a real installation has, with
// the stand-ins' addresses in it.
func demoConfig(city *sandbox.City, dir string) *config.File {
	f := newConfig(dir)
	f.Municipality = config.Municipality{Code: city.Municipality(), Name: sandbox.MunicipalityName, Environment: "fictional"}
	f.Listen.Address = "127.0.0.1:0"
	f.Lookup.AtenaDigits = 10
	// The stand-ins work at once, and whoever tries a fault does not want to wait.
	f.Outbox.Settle, f.Outbox.SendTimeout = 2*time.Second, 5*time.Second
	f.Outbox.RetryFirst, f.Outbox.RetryMax = time.Second, 15*time.Second
	f.Outbox.Rate = 200
	issuer := city.Addresses().Issuer
	f.Staff.Issuer, f.Staff.JWKSURL = issuer, issuer+"/jwks"
	f.Staff.Audience = city.Audience()
	f.Staff.RequiredACR = []string{"card+vein"}
	for _, m := range sandbox.Staff() {
		g := staff.Grant{Staff: m.Staff, Role: m.Role}
		if m.Staff == "" {
			g = staff.Grant{Client: m.Client, Role: m.Role}
		}
		f.Staff.Grants = append(f.Staff.Grants, g)
	}
	for _, n := range city.Neighbours() {
		c := wire.Defaults()
		c.BaseURL, c.TokenURL, c.ClientID = n.BaseURL, n.TokenURL, n.ClientID
		c.SecretFile = secretFile(dir, n.System)
		switch n.System {
		case sandbox.Residents:
			f.Neighbours.Residents = c
		case sandbox.Tax:
			f.Neighbours.Tax = c
		case sandbox.Address:
			f.Neighbours.Address = address.Defaults()
			f.Neighbours.Address.System = "K01"
			f.Neighbours.Address.Config = c
		}
	}
	return f
}

// newConfig is a configuration with every default and the files of a folder's own.
func newConfig(dir string) *config.File {
	f := config.Defaults()
	keys := filepath.Join(dir, "keys")
	f.Database.URL = store.File(filepath.Join(dir, "kakehashi.db")).URL
	f.Record.MACKeyFile = filepath.Join(keys, audit.MACKeyName)
	f.Record.SigningKeyFile = filepath.Join(keys, audit.SigningKeyName)
	f.Record.PublicKeyFile = filepath.Join(keys, audit.PublicKeyName)
	f.Record.CheckpointsFile = filepath.Join(dir, "checkpoints.txt")
	f.Procedures = procedures()
	return f
}

func secretFile(dir, system string) string { return filepath.Join(dir, "keys", system+".secret") }
