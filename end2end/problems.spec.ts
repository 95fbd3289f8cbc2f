// What has come apart between Neon and the ledger: the demonstration begins with one of several kinds.
import { type Page } from '@playwright/test'
import { expect, open, test } from './console'

// The first sweep shows them within seconds of the first start.
async function openFinding(page: Page, kind: string): Promise<void> {
  await expect(async () => {
    await open(page, '/problems')
    await page.getByRole('link', { name: new RegExp(`^${kind}s? [1-9]`) }).click({ timeout: 2_000 })
  }).toPass({ timeout: 90_000 })
  await page.locator('tbody a.row-target').first().click()
  await expect(page.getByRole('heading', { name: 'Evidence' })).toBeVisible()
}

test("an owner's project that somebody deleted on Neon is named, and brought back on the page of its database", async ({ page }) => {
  await openFinding(page, 'Ghost')
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Ghost')
  await page.locator('main a[href^="/databases/"]').click()
  await expect(page.getByRole('region', { name: 'Quotas' })).toBeVisible()
  await expect(page.locator('main .notice'), 'one answer to how it is').toHaveCount(1)
  await page.getByRole('button', { name: 'Recover on Neon' }).click()
  const dialog = page.getByRole('dialog', { name: 'Recover the project on Neon?' })
  await dialog.getByLabel('Reason').fill('journey: deleted by mistake')
  await dialog.getByRole('button', { name: 'Recover', exact: true }).click()
  await expect(dialog).toBeHidden()
  await expect(page.getByText('The project is back on Neon.')).toBeVisible()
  await expect(page.getByText('journey: deleted by mistake').first()).toBeVisible()
})

test('a project that is not ours is ignored with a reason, and taken up again', async ({ page }) => {
  await openFinding(page, 'Stray')
  for (const [button, title, confirm] of [
    ['Ignore', 'Ignore this finding?', 'Ignore'],
    ['No longer ignore', 'No longer ignore this finding?', 'No longer ignore'],
  ]) {
    await page.getByRole('button', { name: button, exact: true }).first().click()
    const dialog = page.getByRole('dialog', { name: title })
    await dialog.getByLabel('Reason').fill('journey: the site of the marketing team')
    await dialog.getByRole('button', { name: confirm, exact: true }).click()
    await expect(dialog).toBeHidden()
  }
  await expect(page.getByRole('button', { name: 'Ignore', exact: true }).first()).toBeVisible()
})
