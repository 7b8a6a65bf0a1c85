// The lines of the configuration file that set a connector up, by kind. Programs, not words:
// they are not translated.
export const LINES = {
  tryton: `[connectors.erp]
kind = "tryton"
url = "https://erp.example.com"
database = "plant"
key = "file:/etc/weft/tryton-key"
`,
  odoo: `[connectors.odoo]
kind = "odoo"
url = "https://odoo.example.com"
database = "plant"
key = "file:/etc/weft/odoo-key"
`,
  salesforce: `[connectors.crm]
kind = "salesforce"
url = "https://example.my.salesforce.com"
client_id = "3MVG9…"
client_secret = "file:/etc/weft/salesforce-secret"
object = "WorkOrder"
`,
  sap: `[connectors.sap]
kind = "sap"
url = "https://sap.example.com"
client = "100"
auth = {kind = "basic", user = "WEFT", password = "file:/etc/weft/sap-secret"}
`,
  webhook: `[connectors.alerts]
kind = "webhook"
url = "https://alerts.example.com/weft"
secret = "file:/etc/weft/webhook-secret"
`,
  email: `[connectors.mail]
kind = "email"
url = "smtp://mail.example.com:587"
sender = "weft@example.com"
to = ["shift@example.com"]
user = "weft"
password = "file:/etc/weft/mail-password"
`,
  slack: `[connectors.slack]
kind = "slack"
webhook = "file:/etc/weft/slack-webhook"
`,
} as const;

export type LineKind = keyof typeof LINES;
export const isKind = (kind: string): kind is LineKind => kind in LINES;

const CHANNELS: readonly LineKind[] = ['email', 'slack'];
/** Whether people are told through it, by a notification policy instead of a rule. */
export const isChannel = (kind: LineKind): boolean => CHANNELS.includes(kind);

/** The lines of a rule, or of a notification policy, that use the connector. */
export function useOf(kind: LineKind): string {
  const name = /^\[connectors\.(\w+)\]/.exec(LINES[kind])?.[1] ?? kind;
  if (isChannel(kind)) return `steps:\n  - channels:\n      - {connector: ${name}}\n`;
  if (kind === 'webhook') return `actions:\n  - webhook: {connector: ${name}}\n`;
  return `actions:\n  - work_order: {connector: ${name}, title: "Check {device}"}\n`;
}
