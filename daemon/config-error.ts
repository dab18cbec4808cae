/** What config.toml says cannot be had. The message names the file, and what to change. */
export class ConfigError extends Error {
  readonly exitCode = 1;
}
