package config

import (
	"error-check-gate/internal/holdmark"
	"error-check-gate/internal/inflow"
)

// HoldMarks holds the settings of hold marks, which show in InFlow that an order is held.
type HoldMarks struct {
	// InflowHoldField is the custom field that holds the mark. If it is empty, the gate writes no
	// marks.
	InflowHoldField string `env:"INFLOW_HOLD_FIELD"   hint:"a custom field of InFlow's sales orders, custom1 to custom10"`
	// InflowHoldText is the text of a mark; see [holdmark.ParseText].
	InflowHoldText string `env:"INFLOW_HOLD_TEXT"    hint:"a line with {since}, such as HOLD since {since}: {error}{more}" envDefault:"HOLD since {since}: {error}{more}"`
	// InflowHoldPending marks orders within their grace period too.
	InflowHoldPending bool `env:"INFLOW_HOLD_PENDING" hint:"true or false"                                                  envDefault:"false"`
}

func (c *HoldMarks) validate(f *Faults, zone *Zone) {
	if c.InflowHoldField != "" && !inflow.IsCustomField(c.InflowHoldField) {
		f.add("INFLOW_HOLD_FIELD", "%q is not a custom field: write custom1 to custom%d",
			c.InflowHoldField, inflow.CustomFieldCount)
	}
	if _, err := holdmark.ParseText(c.InflowHoldText, zone.TimeZone.Location()); err != nil {
		f.add("INFLOW_HOLD_TEXT", "%v", err)
	}
}
