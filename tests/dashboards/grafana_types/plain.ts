// A type of Grafana's as JSON writes it: the members of an enumeration are their values, everything is optional
// that Grafana fills in itself.
export type Plain<T> = T extends string
  ? `${T}`
  : T extends number
    ? `${T}` extends `${infer N extends number}`
      ? N
      : T
    : T extends boolean | null | undefined
      ? T
      : T extends readonly (infer U)[]
        ? Plain<U>[]
        : T extends object
          ? { [K in keyof T]?: Plain<T[K]> | (undefined extends T[K] ? null : never) }
          : T;
