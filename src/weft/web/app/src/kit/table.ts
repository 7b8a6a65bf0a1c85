// Columns of a Table.
export interface Column<Row> {
  id: string;
  label: string;
  hideLabel?: boolean;
  /** What the cell says, where no snippet shows it. */
  text?: (row: Row) => string;
  /** What rows are sorted by; without it they are not. */
  sort?: (row: Row) => string | number | null;
  downFirst?: boolean;
  number?: boolean;
  /** As CSS, `8rem`. */
  width?: string;
  /** Not on a phone. */
  wideOnly?: boolean;
}
